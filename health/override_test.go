package health

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

func TestInvariantOverrideExpiry(t *testing.T) {
	for _, c := range []struct {
		name, pool, force, reason, author string
		lasts                             time.Duration
		ok                                bool
	}{
		{"an hour", "fastly", "down", "drill", "ana", time.Hour, true},
		{"the longest", "fastly", "up", "drill", "ana", MaxOverride, true},
		{"too long", "fastly", "up", "drill", "ana", MaxOverride + 1, false},
		{"no time", "fastly", "drain", "drill", "ana", 0, false},
		{"before it began", "fastly", "drain", "drill", "ana", -time.Hour, false},
		{"no reason", "fastly", "down", " ", "ana", time.Hour, false},
		{"no author", "fastly", "down", "drill", "", time.Hour, false},
		{"no pool", "", "down", "drill", "ana", time.Hour, false},
		{"no such force", "fastly", "off", "drill", "ana", time.Hour, false},
	} {
		o, err := NewOverride(c.pool, Force(c.force), c.reason, c.author, start, c.lasts)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (!o.Active(start) || !o.Active(start.Add(c.lasts-1)) || o.Active(start.Add(c.lasts))) {
			t.Errorf("%s: does not end when it should", c.name)
		}
		if c.pool == "" || c.force == "off" {
			continue
		}
		f, err := NewFreeze(c.reason, c.author, start, c.lasts)
		if (err == nil) != c.ok {
			t.Errorf("freeze, %s: %v", c.name, err)
		}
		if err == nil && (!f.Active(start) || f.Active(start.Add(c.lasts))) {
			t.Errorf("freeze, %s: does not end when it should", c.name)
		}
	}
}

func TestEffective(t *testing.T) {
	for _, c := range []struct {
		force  Force
		state  State
		drains bool
	}{
		{"", Down, false}, {ForceUp, Up, false}, {ForceDown, Down, false}, {ForceDrain, Down, true},
	} {
		p := &Pool{State: Down}
		if c.force != "" {
			o, err := NewOverride("a", c.force, "why", "who", start, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			p.Override = &o
		}
		if s, drains := p.Effective(start); s != c.state || drains != c.drains {
			t.Errorf("%q: %s, drains %v", c.force, s, drains)
		}
		if s, drains := p.Effective(start.Add(time.Hour)); s != Down || drains {
			t.Errorf("%q, expired: %s, drains %v", c.force, s, drains)
		}
	}
}

func TestSaved(t *testing.T) {
	target := Target{Pool: "fastly", Monitor: "web", Addr: netip.MustParseAddr("2001:db8::1")}
	th := Thresholds{Rise: 2, Fall: 2, HoldDown: 5 * time.Minute, HoldDownMax: time.Hour}
	_, v := walk(th, Verdict{}, start, ".xx", time.Second)
	b, err := json.Marshal(v.Save(target, start.Add(62*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	var s Saved
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Target() != target {
		t.Errorf("came back as %+v", s.Target())
	}
	for _, c := range []struct {
		name string
		away time.Duration
		left time.Duration // of the hold-down
		age  time.Duration
	}{
		{"at once", 0, 4 * time.Minute, time.Minute},
		{"a minute later", time.Minute, 3 * time.Minute, 2 * time.Minute},
		{"hold-down is over", 5 * time.Minute, 0, 6 * time.Minute},
		{"the clock was set back", -5 * time.Minute, 4 * time.Minute, time.Minute},
	} {
		now := s.At.Add(c.away)
		if !s.Young(now, 10*time.Minute) {
			t.Errorf("%s: not young", c.name)
		}
		v := s.Verdict(now)
		left := time.Duration(0)
		if !v.HoldUntil.IsZero() {
			left = v.HoldUntil.Sub(now)
		}
		if v.State != Down || left != c.left || now.Sub(v.Since) != c.age || v.Class != Edge5xx {
			t.Errorf("%s: %s for %v, held for %v more", c.name, v.State, now.Sub(v.Since), left)
		}
	}
}

func TestYoung(t *testing.T) {
	for _, c := range []struct {
		state State
		age   time.Duration
		want  bool
	}{
		{Up, 0, true}, {Down, 10 * time.Minute, true}, {Up, 10*time.Minute + 1, false},
		{Unknown, 0, false},
		{Up, -10 * time.Minute, true}, {Up, -10*time.Minute - 1, false}, {Up, -20 * 365 * 24 * time.Hour, false},
	} {
		if got := (Saved{State: c.state, At: start}).Young(start.Add(c.age), MaxAge(5*time.Second)); got != c.want {
			t.Errorf("%s, saved %v ago: young is %v", c.state, c.age, got)
		}
	}
	if got := MaxAge(time.Hour); got != 3*time.Hour {
		t.Errorf("with an interval of an hour %v", got)
	}
}

func TestStateText(t *testing.T) {
	for _, s := range []State{Unknown, Up, Down} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s became %s: %v", s, back, err)
		}
	}
	var s State
	if err := json.Unmarshal([]byte(`"sideways"`), &s); err == nil {
		t.Error("sideways is a state")
	}
	if _, err := json.Marshal(State(9)); err == nil {
		t.Error("9 is a state")
	}
}
