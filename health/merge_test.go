package health

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// states reads U, D and ? as states.
func states(s string) []State {
	ss := make([]State, len(s))
	for i, c := range s {
		ss[i] = map[rune]State{'U': Up, 'D': Down, '?': Unknown}[c]
	}
	return ss
}

func TestMergeStates(t *testing.T) {
	for _, c := range []struct {
		endpoints string
		upIf      int
		want      string
	}{
		{"", 1, "?"}, {"", 0, "?"},
		{"U", 1, "U"}, {"D", 1, "D"}, {"?", 1, "?"},
		{"UD", 1, "U"}, {"DD", 1, "D"}, {"D?", 1, "?"}, {"U?", 1, "U"},
		{"UD", 2, "D"}, {"UU", 2, "U"}, {"U?", 2, "?"}, {"D?", 2, "D"},
		{"UUD", 0, "D"}, {"UUU", 0, "U"}, {"UU?", 0, "?"}, // all
		{"UU", 9, "U"}, {"UD", 9, "D"}, // more than there are is all
	} {
		if got := MergeStates(states(c.endpoints), c.upIf); got != states(c.want)[0] {
			t.Errorf("%q, %d of them: %s, want %s", c.endpoints, c.upIf, got, c.want)
		}
	}
}

func TestMergeEndpoint(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	up := func(s int) Verdict { return Verdict{State: Up, Since: at(s)} }
	down := func(s int, why string) Verdict {
		return Verdict{State: Down, Since: at(s), Class: Network, Reason: why}
	}
	doubt := Verdict{State: Up, Since: at(1), Against: 1, Reason: "reset"}
	for _, c := range []struct {
		name   string
		vs     []Verdict
		state  State
		since  time.Time
		reason string
	}{
		{"no monitors", nil, Up, time.Time{}, ""},
		{"all up", []Verdict{up(1), up(3), up(2)}, Up, at(3), ""},
		{"one unknown", []Verdict{up(1), {}, up(2)}, Unknown, time.Time{}, ""},
		{"one down", []Verdict{up(1), down(5, "a"), up(2)}, Down, at(5), "a"},
		{"down before unknown", []Verdict{{}, down(5, "a"), {}}, Down, at(5), "a"},
		{"the first of two", []Verdict{down(5, "a"), down(4, "b")}, Down, at(4), "b"},
		{"in doubt", []Verdict{up(1), doubt}, Up, at(1), "reset"},
		{"down outranks doubt", []Verdict{doubt, down(5, "a")}, Down, at(5), "a"},
	} {
		e := MergeEndpoint(netip.MustParseAddr("192.0.2.1"), c.vs)
		if e.State != c.state || !e.Since.Equal(c.since) || e.Reason != c.reason {
			t.Errorf("%s: %s since %v: %q", c.name, e.State, e.Since, e.Reason)
		}
	}
}

// A verdict is written as its state, the second its hold-down ends and its
// successes in a row: "D9.3"; "D.3" is not held.
func TestMergeEndpointHold(t *testing.T) {
	for _, c := range []struct{ name, vs, want string }{
		{"no monitors", "", "U"},
		{"up", "U U", "U"},
		{"failures against an up one are no rise", "U.2", "U"},
		{"held", "D9.3", "D9.3"},
		{"down from the start, not held", "D.2", "D.2"},
		{"the one that is up says nothing", "U.4 D9.3 U", "D9.3"},
		{"the last to be released, the least successes", "D9.3 D5.1", "D9.1"},
		{"in any order", "D5.1 D9.3", "D9.1"},
		{"one fails still", "D9.3 D5.0", "D9.0"},
	} {
		var vs []Verdict
		for f := range strings.FieldsSeq(c.vs) {
			st, until, rising := held(f)
			vs = append(vs, Verdict{State: st, HoldUntil: until, Against: rising})
		}
		e := MergeEndpoint(netip.MustParseAddr("192.0.2.1"), vs)
		st, until, rising := held(c.want)
		if e.State != st || !e.HoldUntil.Equal(until) || e.Rising != rising {
			t.Errorf("%s: %s until %v, %d in a row", c.name, e.State, e.HoldUntil, e.Rising)
		}
	}
}

// held reads "D9.3".
func held(s string) (st State, until time.Time, rising int) {
	second, row, _ := strings.Cut(s[1:], ".")
	if n, err := strconv.Atoi(second); err == nil {
		until = start.Add(time.Duration(n) * time.Second)
	}
	rising, _ = strconv.Atoi(row)
	return states(s[:1])[0], until, rising
}

func TestSettleHold(t *testing.T) {
	for _, c := range []struct {
		name, endpoints string
		upIf            int
		lookup          string
		want            string
	}{
		{"up", "U", 1, "", "U"},
		{"up, though one is held", "U D9.3", 1, "", "U"},
		{"one held", "D9.3", 1, "", "D9.3"},
		{"not held", "D.3", 1, "", "D.3"},
		{"the first to be released", "D9.3 D5.2", 1, "", "D5.2"},
		{"one that fails is not the first", "D9.3 D5.0", 1, "", "D9.3"},
		{"all fail", "D9.0 D5.0", 1, "", "D5.0"},
		{"two needed: the second to be released", "D9.3 D5.2 D7.4", 2, "", "D7.2"},
		{"two needed, one is up", "U D9.3 D5.2", 2, "", "D5.2"},
		{"two needed, one succeeds", "D5.0 D9.3", 2, "", "D9.0"},
		{"all needed", "D9.3 U D5.7", 0, "", "D9.3"},
		{"a new one is not held", "? D9.0", 1, "", "D.0"},
		{"the look-up, not the endpoints", "D9.3", 1, "D5.1", "D5.1"},
		{"the look-up is up", "D9.3", 1, "U.2", "D9.3"},
	} {
		p := &Pool{}
		for f := range strings.FieldsSeq(c.endpoints) {
			st, until, rising := held(f)
			p.Endpoints = append(p.Endpoints, Endpoint{State: st, HoldUntil: until, Rising: rising})
		}
		rule := PoolRule{Monitored: true, UpIf: c.upIf}
		if c.lookup != "" {
			st, until, rising := held(c.lookup)
			rule.Lookup = &Verdict{State: st, HoldUntil: until, Against: rising}
		}
		st, until, rising := held(c.want)
		p.Settle(rule, &Pool{State: st}, start)
		if p.State != st || !p.HoldUntil.Equal(until) || p.Rising != rising {
			t.Errorf("%s: %s until %v, %d in a row", c.name, p.State, p.HoldUntil, p.Rising)
		}
	}
}

// endpoints returns one endpoint for each letter, n-th since n seconds; M is
// one of which nothing can be learnt.
func endpoints(s string) []Endpoint {
	var es []Endpoint
	for i, st := range states(s) {
		e := Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), State: st, Mute: s[i] == 'M'}
		if st != Unknown {
			e.Since = start.Add(time.Duration(i) * time.Second)
		}
		if st == Down {
			e.Class, e.Reason = Edge5xx, "status 500"
		}
		es = append(es, e)
	}
	return es
}

func TestSettle(t *testing.T) {
	noName := &Verdict{State: Down, Since: start, Class: ProviderDNS, Reason: "SERVFAIL"}
	for _, c := range []struct {
		name      string
		rule      PoolRule
		prev      string // "" for none
		endpoints string
		want      string
		since     time.Duration // after start; -1: now
		reason    string
	}{
		{"not monitored", PoolRule{UpIf: 1}, "", "", "U", -1, ""},
		{"not monitored, its name fails", PoolRule{UpIf: 1, Lookup: noName}, "", "", "U", -1, ""},
		{"its name fails", PoolRule{Monitored: true, UpIf: 1, Lookup: noName}, "U", "UU", "D", -1, "SERVFAIL"},
		{"its name failed before we began", PoolRule{Monitored: true, UpIf: 1, Lookup: noName}, "", "", "D", 0, "SERVFAIL"},
		{"its name has not resolved yet", PoolRule{Monitored: true, UpIf: 1, Lookup: &Verdict{}}, "", "", "?", -1, ""},
		{"two of three, the second decides", PoolRule{Monitored: true, UpIf: 2}, "", "UUU", "U", time.Second, ""},
		{"two of three are down, the second decides", PoolRule{Monitored: true, UpIf: 2}, "", "DDU", "D", time.Second, "1 of 3 endpoints up, 2 needed: 192.0.2.1: status 500"},
		{"a single one", PoolRule{Monitored: true, UpIf: 1}, "U", "D", "D", -1, "status 500"},
		{"up with one down says so", PoolRule{Monitored: true, UpIf: 1}, "U", "UD", "U", -2, "1 of 2 endpoints up: 192.0.2.1: status 500"},
		{"a new address changes nothing", PoolRule{Monitored: true, UpIf: 0}, "U", "U?", "U", -2, ""},
		{"nor do new ones alone", PoolRule{Monitored: true, UpIf: 1}, "D", "??", "D", -2, "before"},
		{"at the start it does", PoolRule{Monitored: true, UpIf: 0}, "?", "U?", "?", -2, ""},
		{"a new one keeps an up pool up", PoolRule{Monitored: true, UpIf: 1}, "U", "?D", "U", -2, "0 of 2 endpoints up: 192.0.2.1: status 500"},
		{"and a down pool down", PoolRule{Monitored: true, UpIf: 0}, "D", "?U", "D", -2, "before"},
		{"until it is known", PoolRule{Monitored: true, UpIf: 1}, "U", "DD", "D", -1, "0 of 2 endpoints up: 192.0.2.1: status 500"},
		{"one that cannot be probed holds nothing up", PoolRule{Monitored: true, UpIf: 1}, "U", "DM", "D", -1, "status 500 (and 1 that cannot be probed from here)"},
		{"nor does it hold a pool down", PoolRule{Monitored: true, UpIf: 0}, "D", "UM", "U", -1, ""},
		{"nor at the start", PoolRule{Monitored: true, UpIf: 0}, "", "UUM", "U", time.Second, ""},
		{"it is taken to be up", PoolRule{Monitored: true, UpIf: 2}, "U", "DUM", "U", -2, "1 of 2 endpoints up: 192.0.2.0: status 500 (and 1 that cannot be probed from here)"},
		{"when none can be probed, the pool stays", PoolRule{Monitored: true, UpIf: 1}, "U", "MM", "U", -2, ""},
		{"an up pool without addresses", PoolRule{Monitored: true, UpIf: 1}, "U", "", "?", -1, ""},
	} {
		now, before := start.Add(time.Hour), start.Add(-time.Hour)
		var prev *Pool
		if c.prev != "" {
			prev = &Pool{State: states(c.prev)[0], Since: before, Reason: "before"}
		}
		p := &Pool{Endpoints: endpoints(c.endpoints)}
		p.Settle(c.rule, prev, now)
		since := start.Add(c.since)
		switch c.since {
		case -1:
			since = now
		case -2:
			since = before
		}
		if p.State != states(c.want)[0] || !p.Since.Equal(since) || p.Reason != c.reason {
			t.Errorf("%s: %s since %v (%q), want %s since %v (%q)", c.name, p.State, p.Since, p.Reason, c.want, since, c.reason)
		}
		if (p.State == Down) != (p.Class != None) && p.Reason != "before" {
			t.Errorf("%s: a pool that is %s has class %q", c.name, p.State, p.Class)
		}
	}
}

// The endpoint that fell last brought the pool down: the failure that another
// one had before is not the pool's.
func TestBlame(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	hang := Endpoint{Addr: one, State: Down, Since: at(9), Class: Slow, Reason: "connected to 192.0.2.1, but no answer came"}
	body := Endpoint{Addr: two, State: Down, Since: at(5), Class: WrongBody, Reason: "HTTP 200 from 192.0.2.2, but the body lacks it"}
	doubt := Endpoint{Addr: one, State: Up, Since: at(9), Reason: "192.0.2.1 reset the connection"}
	bare := Endpoint{Addr: netip.MustParseAddr("192.0.2.20"), State: Down, Since: at(99), Class: TLSFailure, Reason: "unlike 192.0.2.2 and 192.0.2.200"}
	colon := Endpoint{Addr: one, State: Down, Since: at(99), Class: TLSFailure, Reason: "TLS with 192.0.2.1: not the site's certificate"}
	older := hang
	older.Since = at(1)
	for _, c := range []struct {
		name   string
		es     []Endpoint
		upIf   int
		state  State
		class  Class
		reason string
	}{
		{"the second fell last", []Endpoint{older, body}, 1, Down, WrongBody, "0 of 2 endpoints up: " + body.Reason},
		{"the first fell last", []Endpoint{hang, body}, 1, Down, Slow, "0 of 2 endpoints up: " + hang.Reason},
		{"both are needed", []Endpoint{older, body}, 0, Down, WrongBody, "0 of 2 endpoints up, 2 needed: " + body.Reason},
		{"one in doubt did not bring it down", []Endpoint{doubt, body}, 0, Down, WrongBody, "1 of 2 endpoints up, 2 needed: " + body.Reason},
		{"nor is it what is worst of an up pool", []Endpoint{doubt, body}, 1, Up, None, "1 of 2 endpoints up: " + body.Reason},
		{"in doubt alone", []Endpoint{doubt}, 1, Up, None, doubt.Reason},
		{"an address that a longer one holds is not named", []Endpoint{body, bare}, 1, Down, TLSFailure, "0 of 2 endpoints up: 192.0.2.20: " + bare.Reason},
		{"named before a colon", []Endpoint{body, colon}, 1, Down, TLSFailure, "0 of 2 endpoints up: " + colon.Reason},
		{"one alone", []Endpoint{body}, 1, Down, WrongBody, body.Reason},
	} {
		p := &Pool{Endpoints: c.es}
		p.Settle(PoolRule{Monitored: true, UpIf: c.upIf}, nil, start)
		if p.State != c.state || p.Class != c.class || p.Reason != c.reason {
			t.Errorf("%s: %s, %q: %s", c.name, p.State, p.Class, p.Reason)
		}
	}
}

// A pool that is down works when as many endpoints as must be up are, or are
// but for their hold-down.
func TestSettleWorks(t *testing.T) {
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}) }
	for _, c := range []struct {
		endpoints string // U up, D down, W down and only held, ? unknown
		upIf      int
		resolves  bool
		want      bool
	}{
		{"DD", 1, true, false},
		{"DW", 1, true, true},
		{"DW", 2, true, false},
		{"WW", 2, true, true},
		{"UW", 2, true, true},
		{"UD", 1, true, false}, // it is up
		{"W?", 2, true, false},
		{"WW", 1, false, false},
	} {
		var p Pool
		for i, w := range c.endpoints {
			e := Endpoint{Addr: at(i), State: map[rune]State{'U': Up, 'D': Down, 'W': Down, '?': Unknown}[w], Works: w == 'W'}
			p.Endpoints = append(p.Endpoints, e)
		}
		prev := &Pool{State: Down}
		p.Settle(PoolRule{Monitored: true, UpIf: c.upIf, Lookup: &Verdict{State: Up}, Resolves: c.resolves}, prev, time.Now())
		if p.Works != c.want {
			t.Errorf("%s, %d must be up, resolves %v: works %v", c.endpoints, c.upIf, c.resolves, p.Works)
		}
	}
}
