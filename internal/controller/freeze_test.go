package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// pools reads "a+1u2d b-": pool a is up, with the endpoint 192.0.2.1 up and
// 192.0.2.2 down; pool b is down. A question mark stands for unknown.
func pools(text string) *health.Table {
	states := map[byte]health.State{'+': health.Up, '-': health.Down, '?': health.Unknown, 'u': health.Up, 'd': health.Down}
	t := &health.Table{Pools: map[string]*health.Pool{}}
	for _, w := range strings.Fields(text) {
		p := &health.Pool{Name: w[:1], State: states[w[1]]}
		for i := 2; i+1 < len(w); i += 2 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, w[i] - '0'})
			p.Endpoints = append(p.Endpoints, health.Endpoint{Addr: addr, State: states[w[i+1]]})
		}
		t.Pools[p.Name] = p
	}
	return t
}

// write is the reverse of pools.
func write(pools map[string]*health.Pool) string {
	var words []string
	for _, p := range pools {
		w := p.Name + map[health.State]string{health.Up: "+", health.Down: "-", health.Unknown: "?"}[p.State]
		for _, e := range p.Endpoints {
			w += fmt.Sprint(e.Addr.As4()[3]) + map[health.State]string{health.Up: "u", health.Down: "d", health.Unknown: "?"}[e.State]
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Invariant 6: while automation is off no verdict moves an answer, neither of
// a pool nor of one of its addresses, nor of a pool that came later.
func TestInvariantFreezeHoldsStates(t *testing.T) {
	for _, tt := range []struct{ what, before, then, want string }{
		{"a pool", "a+ b-", "a- b+", "a+ b-"},
		{"an address of a pool", "a+1u2u", "a+1u2d", "a+1u2u"},
		{"an address that is down stays so", "a+1u2d", "a+1u2u", "a+1u2d"},
		{"a new address counts as its pool", "a+1u", "a-2d3?", "a+2u3u"},
		{"a pool without a verdict yet", "a+", "a+ b?", "a+ b?"},
	} {
		f := &frozen{Pools: freezePools(pools(tt.before))}
		then := pools(tt.then)
		f.follow(then).apply(then.Pools)
		if got := write(then.Pools); got != tt.want {
			t.Errorf("%s: frozen at %q, probes say %q: %q counts, want %q", tt.what, tt.before, tt.then, got, tt.want)
		}
	}
	f := (&frozen{Pools: freezePools(pools("a+"))}).follow(pools("a+ b+"))
	for _, then := range []string{"a+ b-", "a- b?"} {
		now := pools(then)
		f = f.follow(now)
		f.apply(now.Pools)
		if write(now.Pools) != "a+ b+" {
			t.Errorf("a pool that came later moves to %q", write(now.Pools))
		}
	}
	if f = f.follow(pools("a+")); len(f.Pools) != 1 {
		t.Errorf("a pool that is gone stays in the freeze: %v", f.Pools)
	}
}

// While frozen, status shows what probes say, and beside it what counts.
func TestFreezeShowsRealState(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	f, err := health.NewFreeze("probes flap", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Freeze(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	b.say("a- b+ c+")
	s := b.Status()
	if p := s.Pools[0]; p.State != "down" || p.Frozen != "up" || !hasAlarm(s, "pool-down") {
		t.Errorf("a pool that fell while frozen is shown as %q, frozen %q, alarms %v", p.State, p.Frozen, s.Alarms)
	}
	if p := s.Pools[1]; p.Frozen != "" {
		t.Errorf("a pool as it was is shown as frozen %q", p.Frozen)
	}
	b.want("www.example.test", "192.0.2.1")
}

// Invariant 19: an operator's word lasts as long as it was given, whatever
// the wall clock does.
func TestInvariantMonotonicClocks(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		what      string
		set, span time.Duration // when it was set, by the wall clock of now, and for how long
		left      time.Duration
	}{
		{"set just now", 0, time.Hour, time.Hour},
		{"set a while ago", -20 * time.Minute, time.Hour, 40 * time.Minute},
		{"ended", -2 * time.Hour, time.Hour, -time.Hour},
		{"set in the future: the clock went back", 24 * 365 * time.Hour, time.Hour, time.Hour},
	} {
		set := now.Round(0).Add(tt.set)
		from, to := anchor(set, set.Add(tt.span), now)
		if got := to.Sub(now); got != tt.left || to.Sub(from) != tt.span {
			t.Errorf("%s: %v left of %v, want %v of %v", tt.what, got, to.Sub(from), tt.left, tt.span)
		}
		if !strings.Contains(to.String(), " m=") {
			t.Errorf("%s: the end has no monotonic reading", tt.what)
		}
	}
}

// A freeze that no command could have set is not taken up from the file.
func TestUnsoundFreezeIsDropped(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	f := health.Freeze{Reason: "for good", Author: "kim", Set: time.Now(), Expires: time.Now().Add(1000 * time.Hour)}
	if err := b.Freeze(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	b.stop()
	if b = start(t, dir, "a+ b+ c+"); b.Status().Frozen != nil {
		t.Errorf("a freeze of 1000 h came back: %+v", b.Status().Frozen)
	}
}
