package alert

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Status is how one route goes.
type Status struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	State   string     `json:"state"`           // idle, waiting or failing
	Why     string     `json:"why,omitempty"`   // of the last failure, while it fails
	Since   *time.Time `json:"since,omitempty"` // when it began to fail
	Sent    *time.Time `json:"sent,omitempty"`  // when it last delivered
	Told    uint64     `json:"told"`            // items delivered since the start
	Failed  uint64     `json:"failed"`          // attempts that failed
	Pending int        `json:"pending"`         // items that wait
}

// Status lists the routes in the order of the configuration.
func (t *Teller) Status() []Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Status, 0, len(t.routes))
	for _, r := range t.routes {
		s := Status{Name: r.def.Name, Kind: string(r.def.Kind), State: "idle", Why: r.why, Told: r.told, Failed: r.failed, Pending: len(r.book.Pending)}
		switch {
		case !r.since.IsZero():
			since := r.since
			s.State, s.Since = "failing", &since
		case s.Pending > 0:
			s.State = "waiting"
		}
		if !r.sent.IsZero() {
			sent := r.sent
			s.Sent = &sent
		}
		out = append(out, s)
	}
	return out
}

// Failing returns the routes that have failed for a while, as alarms, and that
// what was told is not saved.
func (t *Teller) Failing() []Alarm {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Alarm
	for _, r := range t.routes {
		if !r.since.IsZero() && time.Since(r.since) >= failing {
			out = append(out, Alarm{Code: "alert-failing", Severity: "warning", Subject: r.def.Name, Since: r.since,
				What: fmt.Sprintf("alerts by the route %s are not taken: %s", r.def.Name, r.why), Mend: "mend the receiver or the route; shunt alert test " + r.def.Name + " tries it"})
		}
	}
	if t.problem != "" {
		out = append(out, Alarm{Code: "alerts-not-saved", Severity: "warning", What: t.problem, Mend: "after a restart alarms are told again; look at node.state_dir"})
	}
	return out
}

// Test sends a message that says it is a test, at once: by the route called
// name, or by every one where that is "". It returns what came of it, by the
// route's name; the error is for a name that no route has.
func (t *Teller) Test(ctx context.Context, name, author string) (map[string]error, error) {
	t.mu.Lock()
	routes := slices.Clone(t.routes)
	t.mu.Unlock()
	var names []string
	out, mu := map[string]error{}, sync.Mutex{}
	var work sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := time.Now()
	for _, r := range routes {
		names = append(names, r.def.Name)
		if name != "" && name != r.def.Name {
			continue
		}
		m := Message{ID: crand.Text(), Node: t.deps.Node, At: now, Items: []Item{{Alarm{Code: "test", Severity: "warning", Subject: r.def.Name, Since: now,
			What: "this is a test of the route, by " + author, Mend: "nothing is wrong"}, Happened, nil}}}
		work.Go(func() {
			err := t.send(ctx, r.def, m)
			mu.Lock()
			defer mu.Unlock()
			out[r.def.Name] = err
		})
	}
	work.Wait()
	if len(out) == 0 && name != "" {
		return nil, fmt.Errorf("there is no route %q (the routes are: %s)", name, strings.Join(names, ", "))
	}
	return out, nil
}
