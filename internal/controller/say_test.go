package controller

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A scribe notes events as "transition a up>down warning".
type scribe struct {
	mu   sync.Mutex
	said []string
	what []string // the sentences, and none is forgotten
}

func (s *scribe) note(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.what = append(s.what, e.What)
	s.said = append(s.said, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s>%s %s", e.Kind, e.Code, e.Subject, e.Before, e.After, e.Level)), " "))
}

// await waits until line was noted, and forgets all up to it.
func (s *scribe) await(t *testing.T, line string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		s.mu.Lock()
		for i, l := range s.said {
			if l == line {
				s.said = s.said[i+1:]
				s.mu.Unlock()
				return
			}
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("%q was not said; said were\n%s", line, strings.Join(s.said, "\n"))
}

// TestEvents tells a story and listens.
func TestEvents(t *testing.T) {
	s := &scribe{}
	var mu sync.Mutex
	var conditions []Condition
	b := start(t, t.TempDir(), "a+ b+ c+", func(c *Controller) {
		c.deps.Event = s.note
		c.deps.Conditions = func() []Condition { mu.Lock(); defer mu.Unlock(); return conditions }
	})
	defer b.stop()
	s.mu.Lock()
	for _, l := range s.said {
		if strings.HasPrefix(l, "transition") {
			t.Errorf("a start where all is well says %q", l)
		}
	}
	s.mu.Unlock()

	b.monitor.say("a- b+ c+")
	s.await(t, "transition a up>down warning")
	s.await(t, "transition www.example.test. a>b info")
	s.await(t, "alarm pool-down a >raised warning")
	b.monitor.say("a- b- c-")
	s.await(t, "transition b up>down warning")
	s.await(t, "alarm fail-open api.example.test. >raised critical")
	b.monitor.say("a+ b+ c+")
	s.await(t, "transition a down>up info")
	s.await(t, "alarm pool-down a >cleared info")

	ctx := t.Context()
	o, err := health.NewOverride("b", health.ForceDown, "a test", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Override(ctx, o, false); err != nil {
		t.Fatal(err)
	}
	s.await(t, "override b >set warning")
	if err := b.ClearOverride(ctx, "b", "kim"); err != nil {
		t.Fatal(err)
	}
	s.await(t, "override b down>cleared info")
	o.Set, o.Expires = time.Now(), time.Now().Add(1200*time.Millisecond)
	if err := b.Override(ctx, o, false); err != nil {
		t.Fatal(err)
	}
	s.await(t, "override b down>ended info")
	f, err := health.NewFreeze("a test", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Freeze(ctx, f); err != nil {
		t.Fatal(err)
	}
	s.await(t, "override freeze >set warning")
	if err := b.Unfreeze(ctx, "kim"); err != nil {
		t.Fatal(err)
	}
	s.await(t, "override freeze >cleared warning")

	if err := b.Reload(ctx, false); err != nil {
		t.Fatal(err)
	}
	s.await(t, "reload >taken info")
	b.write("nonsense: 1")
	if b.Reload(ctx, false) == nil {
		t.Fatal("nonsense was taken")
	}
	s.await(t, "reload >refused warning")
	s.await(t, "alarm reload-refused >raised warning")

	mu.Lock()
	conditions = []Condition{{Code: "secondary-behind", Severity: "warning", Subject: "ns2", What: "ns2 is behind", Mend: "look"}}
	mu.Unlock()
	s.await(t, "alarm secondary-behind ns2 >raised warning")
	found := false
	for _, a := range b.Status().Alarms {
		found = found || a.Code == "secondary-behind" && a.Subject == "ns2" && a.Mend == "look"
	}
	if !found {
		t.Errorf("the status has no alarm of the condition: %+v", b.Status().Alarms)
	}
	mu.Lock()
	conditions = []Condition{{Code: "secondary-behind", Severity: "warning", Subject: "ns2", What: "ns2 has just caught up", Mend: "look"}}
	mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); !slices.ContainsFunc(b.Status().Alarms, func(a Alarm) bool { return a.What == "ns2 has just caught up" }); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the alarm does not say what is so now")
		}
	}
	mu.Lock()
	conditions = nil
	mu.Unlock()
	s.await(t, "alarm secondary-behind ns2 >cleared info")
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.what, "no longer: ns2 is behind") {
		t.Errorf("what was raised is cleared as something else: %q", s.what)
	}
}

// An outage of everything says so, and leaves room for what led to it.
func TestEventsOfManyMoves(t *testing.T) {
	s := &scribe{}
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("node: {name: ns1.example.test, state_dir: state}\nlisten: {dns: [\"127.0.0.1:5399\"], control: shunt.sock}\npools:\n")
	for _, p := range "abc" {
		fmt.Fprintf(&text, "  - {name: %c, addresses: [192.0.2.1]}\n", p)
	}
	text.WriteString("zones:\n  - name: example.test\n    services:\n")
	for i := range 2 * mostMoves {
		fmt.Fprintf(&text, "      - {name: s%d, pools: [a, b, c], policy: failover, ttl: %ds}\n", i, i+10)
	}
	writeFile(t, dir, "shunt.yaml", text.String())
	b := start(t, dir, "a+ b+ c+", func(c *Controller) { c.deps.Event = s.note })
	defer b.stop()
	s.mu.Lock()
	s.said = nil
	s.mu.Unlock()
	b.monitor.say("a- b+ c+")
	s.await(t, "transition > info")
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.said); n > 10 {
		t.Errorf("%d events behind the sum", n)
	}
}

// What only has another reason is no move.
func TestLogMove(t *testing.T) {
	for _, c := range []struct{ before, after, log, event string }{
		{"a: first", "b: a is down", "INFO answers move", "www.example.test. (and so for 1 service alike) is answered by b"},
		{"a: first", "a: b is down", "DEBUG answers stay", ""},
		{"a: first", "a! nothing is up", "ERROR answers move", "www.example.test. (and so for 1 service alike) fails open: nothing is up, and a answers"},
		{"a! nothing is up", "a! nothing is up at all", "DEBUG answers stay", ""},
		{"a! nothing is up", "a: first", "INFO answers stay", "www.example.test. (and so for 1 service alike) no longer fails open: a answers"},
		{"a! nothing is up", "b! nothing is up", "ERROR answers move", "www.example.test. (and so for 1 service alike) fails open: nothing is up, and b answers"},
		{"a: first", ": no addresses", "ERROR answers move", "www.example.test. (and so for 1 service alike) has nothing to answer with"},
		{": no addresses", ": none at all", "DEBUG answers stay", ""},
		{":", ": no addresses", "ERROR answers move", "www.example.test. (and so for 1 service alike) has nothing to answer with"},
		{":", "a: first", "INFO answers move", ""},
	} {
		var log strings.Builder
		var said string
		to := &Controller{}
		to.deps.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		to.deps.Now = time.Now
		to.deps.Event = func(e event.Event) { said = e.What }
		decided := func(text string) *steer.Decision {
			at := strings.IndexAny(text, ":!")
			d := &steer.Decision{FailOpen: text[at] == '!', Why: strings.TrimSpace(text[at+1:])}
			if at > 0 {
				d.Picks = []steer.Pick{{Pool: text[:at], Weight: steer.Million}}
			}
			return d
		}
		to.logMove(&group{service: config.Service{Name: "www.example.test."}, alike: 1}, decided(c.before), decided(c.after))
		_, rest, _ := strings.Cut(log.String(), "level=")
		rest, _, _ = strings.Cut(rest, " service=")
		if got := strings.NewReplacer("msg=", "", `"`, "").Replace(rest); got != c.log || said != c.event {
			t.Errorf("%s → %s: %s, %q; want %s, %q", c.before, c.after, got, said, c.log, c.event)
		}
	}
}
