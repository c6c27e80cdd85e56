package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/health"
)

const calmConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
pools:
  - {name: a, addresses: [192.0.2.1], failback: {after: 10m}, manual_after: 10m}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
zones:
  - name: example.test
    services:
      - {name: www, pools: [a, b], ramp: {steps: [1%, 50%, 100%], every: 3m}, moves: 0}
      - {name: api, pools: [b, c], moves: 2}
`

// shares writes what the service called name answers, as "a 1%, b 99%".
func (b *bench) shares(name string) string {
	b.Helper()
	for _, s := range b.Status().Services {
		if s.Name == name {
			var out []string
			for _, x := range s.Shares {
				out = append(out, fmt.Sprintf("%s %v%%", x.Pool, x.Percent))
			}
			return strings.Join(out, ", ")
		}
	}
	return "no service"
}

// wantShares checks what www and api answer.
func (b *bench) wantShares(when, www, api string) {
	b.Helper()
	if got := b.shares("www.example.test."); got != www {
		b.Errorf("%s: www: %s, want %s", when, got, www)
	}
	if got := b.shares("api.example.test."); got != api {
		b.Errorf("%s: api: %s, want %s", when, got, api)
	}
}

// passes lets time pass, in which the node does what is due.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A pool waits for its time and climbs its ramp by the clock alone; a restart
// and a freeze on the way change nothing.
func TestComesBackByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", calmConfig)
		b := start(t, dir, "a+ b+ c+")
		b.wantShares("at first", "a 100%", "b 100%")
		b.say("a- b+ c+")
		b.wantShares("a is down", "b 100%", "b 100%")
		passes(5 * time.Minute)
		b.say("a+ b+ c+")
		b.wantShares("a is up and waits", "b 100%", "b 100%")
		p := b.Status().Pools[0]
		if p.Waits == "" || p.WaitsUntil == nil || time.Until(*p.WaitsUntil).Round(time.Second) != 10*time.Minute {
			t.Errorf("status: waits %q until %v", p.Waits, p.WaitsUntil)
		}
		passes(9*time.Minute + 31*time.Second)
		if ttl := b.Status().Services[0].TTL; ttl != 15 {
			t.Errorf("half a minute before a comes back the TTL is %d", ttl)
		}
		passes(30 * time.Second)
		b.wantShares("after ten minutes", "a 1%, b 99%", "b 100%")
		passes(3 * time.Minute)
		b.wantShares("three minutes later", "a 50%, b 50%", "b 100%")
		r := b.Status().Services[0].Ramps
		if len(r) != 1 || r[0].Pool != "a" || r[0].Percent != 50 || r[0].Next != 100 {
			t.Errorf("status: ramps %+v", r)
		}
		b.stop()
		passes(time.Minute)

		b = start(t, dir, "a+ b+ c+")
		b.wantShares("after a restart", "a 50%, b 50%", "b 100%")
		f, _ := health.NewFreeze("test", "kim", time.Now(), time.Hour)
		if err := b.Freeze(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		passes(10 * time.Minute)
		b.wantShares("frozen", "a 50%, b 50%", "b 100%")
		if err := b.Unfreeze(context.Background(), "kim"); err != nil {
			t.Fatal(err)
		}
		b.wantShares("unfrozen", "a 100%", "b 100%")
		b.stop()
	})
}

// A fall longer than manual_after needs a person, over a restart too, and what
// a person lets back climbs its ramp.
func TestLongFallNeedsAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", calmConfig)
		b := start(t, dir, "a+ b+ c+")
		b.say("a- b+ c+")
		passes(15 * time.Minute)
		b.stop()
		b = start(t, dir, "a- b+ c+")
		b.say("a+ b+ c+")
		passes(time.Hour)
		b.wantShares("hours later", "b 100%", "b 100%")
		if !hasAlarm(b.Status(), "waits-for-person") {
			t.Errorf("no alarm: %v", b.Status().Alarms)
		}
		if err := b.Failback(ctx, "b", "", "kim"); err == nil || !strings.Contains(err.Error(), "does not wait") {
			t.Errorf("letting back what is there: %v", err)
		}
		if err := b.Failback(ctx, "a", "checked", "kim"); err != nil {
			t.Fatal(err)
		}
		b.wantShares("let back", "a 1%, b 99%", "b 100%")
		if hasAlarm(b.Status(), "waits-for-person") {
			t.Error("the alarm stays")
		}
		b.stop()
	})
}

// A spent budget is remembered over a restart, and ends by the clock.
func TestBudgetByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", calmConfig)
		b := start(t, dir, "a+ b+ c+")
		for _, states := range []string{"a+ b- c+", "a+ b+ c+", "a+ b- c+", "a+ b+ c+"} {
			b.say(states)
			passes(time.Minute)
		}
		b.wantShares("after three moves", "a 100%", "c 100%")
		s := b.Status()
		if m := s.Services[1].Moves; !hasAlarm(s, "budget-spent") || m.Used != 3 || m.Limit != 2 || m.Until == nil || len(m.Held) != 1 {
			t.Errorf("status: %+v, alarms %v", m, s.Alarms)
		}
		b.stop()
		b = start(t, dir, "a+ b+ c+")
		b.wantShares("after a restart", "a 100%", "c 100%")
		passes(56 * time.Minute)
		b.wantShares("within the hour of the second move", "a 100%", "c 100%")
		passes(2 * time.Minute)
		b.wantShares("after it", "a 100%", "b 100%")
		if hasAlarm(b.Status(), "budget-spent") {
			t.Error("the alarm stays")
		}
		b.stop()
	})
}

// What a person does is no move, however often.
func TestByHandIsNoMove(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	for range 10 {
		if err := b.Override(context.Background(), override("a", health.ForceDrain, time.Hour), false); err != nil {
			t.Fatal(err)
		}
		b.want("www.example.test", "192.0.2.2")
		if err := b.ClearOverride(context.Background(), "a", "kim"); err != nil {
			t.Fatal(err)
		}
		b.want("www.example.test", "192.0.2.1")
	}
	if m := b.Status().Services[0].Moves; m.Used != 0 {
		t.Errorf("%d moves by hand", m.Used)
	}
}

// The state of calm is on now's clock when it is read, whatever the wall clock
// did in between; the file has what it needs.
func TestCalmOverTheWallClock(t *testing.T) {
	now := time.Now()
	future := now.Round(0).Add(time.Hour)
	falls := recallFalls(map[string]health.Fall{"a": {Began: now.Round(0).Add(-time.Hour)}, "b": {Began: future}, "c": {}}, now)
	if got := now.Sub(falls["a"].Began); got < time.Hour-time.Second || got > time.Hour+time.Second {
		t.Errorf("fell an hour ago: %v", got)
	}
	if got := now.Sub(falls["b"].Began); got != 0 || falls["c"].Fallen() || len(falls) != 2 {
		t.Errorf("from the future: %v; %v", got, falls)
	}
	calm := recallCalm(map[string]savedCalm{"www.": {Moves: []time.Time{future}, Unsteady: []string{"a"}}}, now)["www."]
	if _, spent := calm.Moves.Spent(1, now); !spent || !calm.Unsteady["a"] {
		t.Errorf("a move from the future: %+v", calm)
	}
}
