package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A State is how a provider is.
type State string

// The states.
const (
	InStep     State = "in step"    // it has what we answer, and its servers serve it
	Pending    State = "pending"    // that is under way
	Failing    State = "failing"    // it cannot be reached, or refuses what we ask
	Denied     State = "denied"     // the credentials were refused
	Held       State = "held"       // a push was too large, or names are left as they are because of records of others
	Drifted    State = "drift"      // somebody else changed records of ours, and they are to be left
	Unverified State = "unverified" // it took the changes, and its servers do not serve them
)

// A look is how a provider is, for people.
type look struct {
	State    State
	Since    time.Time
	Why      string
	Failures int      // in a row
	Drift    int      // names that somebody else changed, when all was last compared
	Drifted  string   // the first of them; "" where there is none
	Left     []string // what cannot be expressed there
	Pushed   uint64   // generation of what is there
	Verified uint64   // generation of what its servers serve

	refused string // why the last push was too large; "" where it was not
	told    State  // that was last spoken of
}

// A Status is how one provider is. Its JSON names are part of the interface.
type Status struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`
	State    State       `json:"state"`
	Since    time.Time   `json:"since"`
	Why      string      `json:"why,omitempty"`
	Zones    int         `json:"zones"`
	Names    int         `json:"names"`
	Waiting  int         `json:"waiting"`  // names that are not in step yet
	Drift    int         `json:"drift"`    // names that somebody else changed, when all was last compared
	Pushed   uint64      `json:"pushed"`   // generation of what is there
	Verified uint64      `json:"verified"` // generation of what its servers serve
	Held     []plan.Held `json:"held"`     // names that are left as they are; at most 100
	Beside   []plan.Held `json:"beside"`   // names that have steered records of others beside ours, as AAAA beside A; at most 100
	Left     []string    `json:"left"`     // what cannot be expressed there; at most 100
}

// Status says how each provider is, in the order of the configuration.
func (k *Keeper) Status() []Status {
	list, _ := k.all("") // all there are: no error
	out := make([]Status, 0, len(list))
	for _, w := range list {
		out = append(out, w.status())
	}
	return out
}

// mostListed is how many names a status lists.
const mostListed = 100

func (w *worker) status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.look
	s := Status{Name: w.cfg.Name, Kind: w.cfg.Kind, State: l.State, Since: l.Since, Why: l.Why, Drift: l.Drift, Pushed: l.Pushed, Verified: l.Verified,
		Names: len(w.entries), Held: []plan.Held{}, Beside: []plan.Held{}, Left: append([]string{}, l.Left[:min(len(l.Left), mostListed)]...)}
	zones := map[string]bool{}
	for _, e := range w.entries {
		if zones[e.Zone] = true; e.unsettled() {
			s.Waiting++
		}
	}
	s.Zones = len(zones)
	for _, name := range w.heldNames() {
		if len(s.Held) < mostListed {
			s.Held = append(s.Held, plan.Held{Name: name, Why: w.entries[name].held})
		}
	}
	for _, name := range w.besideNames() {
		if len(s.Beside) < mostListed {
			s.Beside = append(s.Beside, plan.Held{Name: name, Why: w.entries[name].beside})
		}
	}
	return s
}

// heldNames returns the names that are left as they are, sorted.
func (w *worker) heldNames() []string {
	var out []string
	for name, e := range w.entries {
		if e.held != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// firstBeside returns one of the names that have records of others beside ours,
// and how many do; "" for none.
func (w *worker) firstBeside() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.besideNames()
	if len(list) == 0 {
		return ""
	}
	return names(len(list), "has records of others beside ours", "have records of others beside ours") + ": " + strings.TrimSuffix(list[0], ".") + ": " + w.entries[list[0]].beside
}

// besideNames returns the names that have records of others beside ours, sorted.
func (w *worker) besideNames() []string {
	var out []string
	for name, e := range w.entries {
		if e.beside != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// firstHeld returns one of the names that are left as they are, and why.
func (w *worker) firstHeld() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.heldNames() {
		return strings.TrimSuffix(name, ".") + ": " + w.entries[name].held
	}
	return ""
}

func (w *worker) state() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.look.State
}

func (w *worker) hasOrders() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.orders) > 0
}

// A Condition is what is to be alarmed about, as long as it holds.
type Condition struct{ Code, Severity, Subject, What, Mend string }

// alarmAfter is how many pushes in a row fail before that is an alarm.
const alarmAfter = 3

// Conditions returns what is to be alarmed about. It waits for no worker, for
// who decides asks: one that is busy alarms as it did.
func (k *Keeper) Conditions() []Condition {
	list, _ := k.all("")
	var out []Condition
	for _, w := range list {
		if w.mu.TryLock() {
			now := w.conditions()
			w.mu.Unlock()
			w.alarms.Store(&now)
		}
		if last := w.alarms.Load(); last != nil {
			out = append(out, *last...)
		}
	}
	return out
}

// andOthers names the first of n names.
func andOthers(first string, n int) string {
	switch n {
	case 1:
		return first
	case 2:
		return first + " and another name"
	}
	return fmt.Sprintf("%s and %d other names", first, n-1)
}

// names counts names, and says with the verb for one or for more what they are.
func names(n int, one, more string) string {
	if n == 1 {
		return "1 name " + one
	}
	return fmt.Sprintf("%d names %s", n, more)
}

// conditions lists what people must know of, as long as it lasts.
func (w *worker) conditions() (out []Condition) {
	name := w.cfg.Name
	l := w.look
	switch {
	case l.State == Denied:
		out = append(out, Condition{"provider-denied", "critical", name, fmt.Sprintf("%s refuses our credentials: %s", name, l.Why), "replace the secret, and shunt reload"})
	case l.State == Failing && l.Failures >= alarmAfter:
		out = append(out, Condition{"provider-failing", "warning", name, fmt.Sprintf("%s is not in step since %s: %s", name, l.Since.UTC().Format(time.RFC3339), l.Why), "look at its status page; shunt goes on trying"})
	case l.State == Unverified:
		out = append(out, Condition{"provider-unverified", "warning", name, name + ": " + l.Why, "ask its servers with dig; look at its status page"})
	}
	if l.refused != "" {
		out = append(out, Condition{"provider-refused", "critical", name, name + ": " + l.refused, "shunt plan --provider " + name + ", and shunt publish --provider " + name + " --force where that is meant"})
	}
	if l.Drift > 0 && l.State == Drifted {
		out = append(out, Condition{"provider-drift", "warning", name, fmt.Sprintf("somebody else changed %s at %s", andOthers(l.Drifted, l.Drift), name), "shunt plan --provider " + name + "; shunt publish --provider " + name + " writes them again"})
	}
	if held := w.heldNames(); len(held) > 0 {
		out = append(out, Condition{"provider-held", "warning", name, fmt.Sprintf("%s: %s: %s", names(len(held), "at "+name+" is left as it is", "at "+name+" are left as they are"), held[0], w.entries[held[0]].held), "shunt status --json has the list; adopt what is to be taken over, let our credentials change what they may not"})
	}
	return out
}

// A Preview is what a push to one provider would change now.
type Preview struct {
	Provider string       `json:"provider"`
	Kind     string       `json:"kind"`
	Plans    []*plan.Plan `json:"plans"`             // of each zone
	Left     []string     `json:"left"`              // what cannot be expressed there
	Refused  string       `json:"refused,omitempty"` // why it would not be done without --force
	Error    string       `json:"error,omitempty"`   // why it cannot be said
}

// Plan reads providers, or the one of that name, and says what a push would
// change. It changes nothing, and waits for no push that is under way.
func (k *Keeper) Plan(ctx context.Context, name string) ([]Preview, error) {
	list, err := k.all(name)
	if err != nil {
		return nil, err
	}
	out := make([]Preview, len(list))
	done := make(chan struct{}, len(list))
	for i, w := range list {
		go func() {
			defer func() { done <- struct{}{} }()
			v := Preview{Provider: w.cfg.Name, Kind: w.cfg.Kind, Plans: []*plan.Plan{}, Left: []string{}}
			plans, left, err := w.plans(ctx)
			if err != nil {
				v.Error = err.Error()
			} else {
				v.Plans, v.Left = append(v.Plans, plans...), append(v.Left, left...)
				v.Refused = plan.Caps{Changes: w.cfg.Changes, Deletes: w.cfg.Deletes}.Refuse(plans)
			}
			out[i] = v
		}()
	}
	for range list {
		<-done
	}
	return out, nil
}

// IsRefused reports whether err, of Push, says that a push was too large to be
// made without force.
func IsRefused(err error) bool { return errors.Is(err, errRefused) }

// Push compares and pushes all of a provider now, or of all providers for "",
// and waits for it. Force lifts the caps on changes and deletions. The error
// says which failed, and why.
func (k *Keeper) Push(ctx context.Context, name string, force bool) error {
	list, err := k.all(name)
	if err != nil {
		return err
	}
	orders := make([]*order, len(list))
	for i, w := range list {
		orders[i] = &order{force: force, done: make(chan error, 1)}
		w.mu.Lock()
		w.orders = append(w.orders, orders[i])
		w.mu.Unlock()
		w.nudge()
	}
	var failed []error
	for i, w := range list {
		select {
		case err := <-orders[i].done:
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", w.cfg.Name, err))
			}
		case <-w.done:
			failed = append(failed, fmt.Errorf("%s: it was stopped", w.cfg.Name))
		case <-ctx.Done():
			failed = append(failed, fmt.Errorf("%s: %w", w.cfg.Name, context.Cause(ctx)))
		}
	}
	return errors.Join(failed...)
}
