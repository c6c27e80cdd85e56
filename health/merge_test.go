package health

import (
	"net/netip"
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
		{"two of three are down, the second decides", PoolRule{Monitored: true, UpIf: 2}, "", "DDU", "D", time.Second, "1 of 3 endpoints up, 2 needed: 192.0.2.0: status 500"},
		{"a single one", PoolRule{Monitored: true, UpIf: 1}, "U", "D", "D", -1, "status 500"},
		{"up with one down says so", PoolRule{Monitored: true, UpIf: 1}, "U", "UD", "U", -2, "1 of 2 endpoints up, 1 needed: 192.0.2.1: status 500"},
		{"a new address changes nothing", PoolRule{Monitored: true, UpIf: 0}, "U", "U?", "U", -2, ""},
		{"nor do new ones alone", PoolRule{Monitored: true, UpIf: 1}, "D", "??", "D", -2, "before"},
		{"at the start it does", PoolRule{Monitored: true, UpIf: 0}, "?", "U?", "?", -2, ""},
		{"a new one keeps an up pool up", PoolRule{Monitored: true, UpIf: 1}, "U", "?D", "U", -2, "0 of 2 endpoints up, 1 needed: 192.0.2.1: status 500"},
		{"and a down pool down", PoolRule{Monitored: true, UpIf: 0}, "D", "?U", "D", -2, "before"},
		{"until it is known", PoolRule{Monitored: true, UpIf: 1}, "U", "DD", "D", -1, "0 of 2 endpoints up, 1 needed: 192.0.2.0: status 500"},
		{"one that cannot be probed holds nothing up", PoolRule{Monitored: true, UpIf: 1}, "U", "DM", "D", -1, "status 500 (and 1 that cannot be probed from here)"},
		{"nor does it hold a pool down", PoolRule{Monitored: true, UpIf: 0}, "D", "UM", "U", -1, ""},
		{"nor at the start", PoolRule{Monitored: true, UpIf: 0}, "", "UUM", "U", time.Second, ""},
		{"it is taken to be up", PoolRule{Monitored: true, UpIf: 2}, "U", "DUM", "U", -2, "1 of 2 endpoints up, 1 needed: 192.0.2.0: status 500 (and 1 that cannot be probed from here)"},
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
