package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// An Alarm is a condition that holds, as the status of the node has it.
type Alarm struct {
	Code     string    `json:"code"`
	Severity string    `json:"severity"` // critical or warning
	Subject  string    `json:"subject,omitempty"`
	Since    time.Time `json:"since"`
	What     string    `json:"what"`
	Mend     string    `json:"mend,omitempty"`
}

// key tells one alarm from another.
func (a *Alarm) key() string { return a.Code + " " + a.Subject }

// A State says what became of an alarm.
type State string

// The states of an item.
const (
	Raised   State = "raised"   // it began to hold
	Lasts    State = "lasts"    // it was told of, and holds still
	Ended    State = "ended"    // it holds no more
	Happened State = "happened" // it is no condition: it came and was over
)

// An Item is what a message says of one alarm.
type Item struct {
	Alarm
	State State      `json:"state"`
	Ended *time.Time `json:"ended,omitempty"` // when it was seen to hold no more
}

// A Message is what goes out by one route at once.
type Message struct {
	ID    string    `json:"id"` // the same for every attempt to tell the same
	Node  string    `json:"node"`
	At    time.Time `json:"at"`
	Items []Item    `json:"items"` // the critical ones first
}

// A Told is an alarm that people know of.
type Told struct {
	Alarm
	At time.Time `json:"at"` // when they were last told
}

// mostPending bounds what waits for one route that cannot deliver.
const mostPending = 1000

// A Book is what one route has told, and what it has yet to tell: the latest
// of each alarm, so that a route which was out of order for a day tells how
// things stand and not how they went. Its methods take the time and look at no
// clock; one goroutine at a time may call them.
type Book struct {
	Told    map[string]Told `json:"told"`
	Pending map[string]Item `json:"pending"`
	First   time.Time       `json:"first"` // when the oldest of Pending began to wait
}

// Next takes in the alarms that hold now, and what happened since the last
// look. Only those that r wants count.
//
//	told     pending      holds   then
//	no       -            yes     raised
//	no       raised       no      ended: short as it was, people hear of it
//	yes      -            yes     lasts, once r.Repeat is over or it became critical; else nothing
//	yes      -            no      ended; forgotten where r does not tell of ends
//	yes      ended        yes     nothing: it came back before anybody heard of its end
func (b *Book) Next(r *config.Alert, now time.Time, alarms, happened []Alarm) {
	holds := make(map[string]bool, len(alarms))
	for _, a := range alarms {
		if wants(r, &a) {
			holds[a.key()] = true
			b.holding(r, now, a)
		}
	}
	for key, t := range b.Told {
		switch p, waits := b.Pending[key]; {
		case holds[key]:
		case !wants(r, &t.Alarm), !r.Resolved:
			delete(b.Told, key)
			delete(b.Pending, key)
		case !waits || p.State != Ended:
			b.wait(now, Item{t.Alarm, Ended, &now})
		}
	}
	for key, p := range b.Pending {
		if _, told := b.Told[key]; !told && !holds[key] && p.State == Raised {
			b.wait(now, Item{p.Alarm, Ended, &now})
		}
	}
	for _, a := range happened {
		if wants(r, &a) {
			b.wait(now, Item{a, Happened, nil})
		}
	}
}

// holding takes in an alarm that holds.
func (b *Book) holding(r *config.Alert, now time.Time, a Alarm) {
	p, waits := b.Pending[a.key()]
	t, told := b.Told[a.key()]
	switch {
	case waits && p.State == Ended && told:
		delete(b.Pending, a.key())
	case waits && p.State != Ended:
		b.wait(now, Item{a, p.State, nil})
	case !told:
		b.wait(now, Item{a, Raised, nil})
	case a.Severity == critical && t.Severity != critical:
		b.wait(now, Item{a, Raised, nil})
	case every(r) > 0 && now.Sub(t.At) >= every(r):
		b.wait(now, Item{a, Lasts, nil})
	}
}

const critical = "critical"

// every returns how often r tells of what lasts. Alertmanager forgets what it
// does not hear of again.
func every(r *config.Alert) time.Duration {
	if r.Kind == config.Alertmanager {
		return time.Minute
	}
	return r.Repeat
}

// wants reports whether r tells of a.
func wants(r *config.Alert, a *Alarm) bool {
	if r.Severity == critical && a.Severity != critical {
		return false
	}
	return len(r.Codes) == 0 || slices.Contains(r.Codes, a.Code)
}

// wait has i told soon. Where too much waits already it is left out: if it
// holds, the next look brings it again.
func (b *Book) wait(now time.Time, i Item) {
	if b.Pending == nil {
		b.Pending = map[string]Item{}
	}
	if _, known := b.Pending[i.key()]; !known && len(b.Pending) >= mostPending {
		return
	}
	if len(b.Pending) == 0 {
		b.First = now
	}
	b.Pending[i.key()] = i
}

// Due returns when what waits is to be told: never (zero) where nothing does.
func (b *Book) Due(r *config.Alert) time.Time {
	if len(b.Pending) == 0 {
		return time.Time{}
	}
	return b.First.Add(r.Group)
}

// Items returns all that waits: the critical before the others, what holds
// before what does not, by code and subject.
func (b *Book) Items() []Item {
	var out []Item
	for _, i := range b.Pending {
		out = append(out, i)
	}
	order := func(i Item) int {
		n := 0
		if i.Severity != critical {
			n++
		}
		if i.State == Ended {
			n += 2
		}
		return n
	}
	slices.SortFunc(out, func(a, c Item) int {
		return cmp.Or(cmp.Compare(order(a), order(c)), strings.Compare(a.key(), c.key()))
	})
	return out
}

// Sent notes that people were told of items. What changed meanwhile waits on.
func (b *Book) Sent(now time.Time, items []Item) {
	if b.Told == nil {
		b.Told = map[string]Told{}
	}
	for _, i := range items {
		if p, waits := b.Pending[i.key()]; waits && p.State == i.State {
			delete(b.Pending, i.key())
		}
		switch i.State {
		case Raised, Lasts:
			b.Told[i.key()] = Told{i.Alarm, now}
		case Ended:
			delete(b.Told, i.key())
		}
	}
	if len(b.Pending) > 0 {
		b.First = now
	}
}
