package xfr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/event"
)

// A Kind is a form of transfer.
type Kind string

// The kinds of transfer.
const (
	AXFR Kind = "axfr" // the whole zone, also as the answer to IXFR
	IXFR Kind = "ixfr" // what changed
	SOA  Kind = "soa"  // the answer to IXFR that nothing did
)

// A Transfer is one that ended well.
type Transfer struct {
	Kind     Kind      `json:"kind"`
	Zone     string    `json:"zone"`
	Serial   uint32    `json:"serial"`
	Octets   int64     `json:"octets"`
	Messages int       `json:"messages"`
	At       time.Time `json:"at"` // when it began
	Seconds  float64   `json:"seconds"`
}

// The states of a secondary, and of one zone at it.
const (
	InStep  = "in step" // it serves our serials
	Behind  = "behind"  // it serves another one
	Silent  = "silent"  // it cannot be asked
	Unknown = "unknown" // it was not asked yet
)

// A Secondary is what is known of one.
type Secondary struct {
	Name      string       `json:"name"`
	Address   string       `json:"address"`
	State     string       `json:"state"`           // in step, behind, silent or unknown: the worst of its zones
	Since     *time.Time   `json:"since,omitempty"` // when it came to that
	Zones     int          `json:"zones"`           // that it should serve, the catalog among them
	Behind    int          `json:"behind"`          // zones that it does not serve as we do, but for the catalog
	Serves    int          `json:"in_step"`         // zones that it is known to serve as we do, the catalog among them
	Lag       float64      `json:"lag_seconds"`     // since the oldest change that it does not serve; 0 when it is in step
	CaughtUp  float64      `json:"caught_up_in"`    // seconds from its latest change to the moment it was seen to serve that
	Transfer  *Transfer    `json:"last_transfer"`   // null: none since the start
	Error     string       `json:"error,omitempty"` // the latest thing that went wrong, while it is not in step
	ZonesSeen []SeenStatus `json:"serials"`         // zones not in step first; the first thousand
	Key       string       `json:"key,omitempty"`   // name of its key
	Notify    bool         `json:"notify"`          // it is told of changes
	caughtAt  time.Time    //
}

// A SeenStatus is what a secondary serves of one zone.
type SeenStatus struct {
	Zone   string     `json:"zone"`
	Serial uint32     `json:"serial"`          // ours
	Seen   *uint32    `json:"seen"`            // its own; null: not known
	State  string     `json:"state"`           // as of Secondary
	Since  *time.Time `json:"since,omitempty"` // when it came to that
	Lag    float64    `json:"lag_seconds"`
	Error  string     `json:"error,omitempty"`
}

// maxSerials is how many zones Status lists of one secondary.
const maxSerials = 1000

// state says how w is, and since when.
func (w *watch) state() (state string, since time.Time) {
	switch {
	case w.known && w.quiet.IsZero() && w.seen == w.want:
		return InStep, w.since
	case !w.known && w.quiet.IsZero():
		return Unknown, time.Time{}
	case !w.quiet.IsZero():
		return Silent, w.quiet
	}
	return Behind, w.first
}

// lag returns how long the secondary has not served what it should.
func (w *watch) lag(now time.Time) time.Duration {
	switch state, since := w.state(); state {
	case Behind, Silent:
		if !w.first.IsZero() && w.first.Before(since) {
			since = w.first
		}
		return max(0, now.Sub(since))
	}
	return 0
}

// gravity orders the states, the worst last.
var gravity = [...]string{InStep, Unknown, Silent, Behind}

// Status says how each secondary is, in the order of the configuration.
func (p *Primary) Status() []Secondary {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.deps.Now()
	at := make(map[*peer]int, len(p.watches.peers))
	list := make([]Secondary, len(p.watches.peers))
	for i, peer := range p.watches.peers {
		at[peer] = i
		list[i] = Secondary{Name: peer.Name, Address: peer.Address.String(), Key: peer.Secondary.Key, Notify: peer.Notify, Transfer: peer.last,
			Error: peer.broken, State: InStep, ZonesSeen: []SeenStatus{}}
	}
	for _, w := range p.watches.by {
		if i, ok := at[w.peer]; ok {
			list[i].take(w, now)
		}
	}
	for i := range list {
		s := &list[i]
		if s.Zones == 0 {
			s.State = Unknown
		}
		slices.SortFunc(s.ZonesSeen, func(a, b SeenStatus) int {
			return cmp.Or(slices.Index(gravity[:], b.State)-slices.Index(gravity[:], a.State), cmp.Compare(a.Zone, b.Zone))
		})
		s.ZonesSeen = s.ZonesSeen[:min(len(s.ZonesSeen), maxSerials)]
	}
	return list
}

// take adds one zone to s.
func (s *Secondary) take(w *watch, now time.Time) {
	state, since := w.state()
	z := SeenStatus{Zone: w.origin, Serial: w.want, State: state, Lag: w.lag(now).Seconds(), Error: w.why}
	if !since.IsZero() {
		z.Since = &since
	}
	if w.known {
		seen := w.seen
		z.Seen = &seen
	}
	s.Zones++
	if state == InStep {
		s.Serves++
	}
	if state != InStep || len(s.ZonesSeen) < maxSerials {
		s.ZonesSeen = append(s.ZonesSeen, z)
	}
	if w.catalog {
		return // shown, and not judged: see watch
	}
	if state == Behind || state == Silent {
		s.Behind++
		s.Lag = max(s.Lag, z.Lag)
		if s.Error == "" || state == Behind {
			s.Error = cmp.Or(z.Error, s.Error)
		}
	}
	if state == InStep && w.since.After(s.caughtAt) {
		s.caughtAt, s.CaughtUp = w.since, w.took.Seconds()
	}
	was, is := slices.Index(gravity[:], s.State), slices.Index(gravity[:], state)
	switch {
	case is > was || s.Zones == 1, s.Since == nil && z.Since != nil && is == was:
		s.State, s.Since = state, z.Since
	case is == was && z.Since != nil && (state == InStep) == z.Since.After(*s.Since):
		s.Since = z.Since // in step since the last of its zones came, behind since the first
	}
}

// A Condition is what people must know of, as long as it lasts.
type Condition struct {
	Code, Severity, Subject, What, Mend string
}

// Conditions lists the secondaries that have not served what they should for
// longer than transfer.behind.
func (p *Primary) Conditions() (list []Condition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watches.cfg == nil {
		return nil
	}
	for _, l := range p.late(p.deps.Now()) {
		if what := l.what(); what != "" {
			list = append(list, Condition{"secondary-behind", "warning", l.peer.Name, what, "look at its log; shunt status --json lists its serials, and what went wrong"})
		}
	}
	return list
}

// A lateness is how one secondary is late.
type lateness struct {
	peer  *peer
	zones int
	worst *watch
	lag   time.Duration
}

// late returns how each secondary is late. The caller holds mu.
func (p *Primary) late(now time.Time) []lateness {
	at := make(map[*peer]int, len(p.watches.peers))
	list := make([]lateness, len(p.watches.peers))
	for i, peer := range p.watches.peers {
		at[peer], list[i].peer = i, peer
	}
	for _, w := range p.watches.by {
		i, ok := at[w.peer]
		lag := w.lag(now)
		if !ok || w.catalog || lag <= p.watches.cfg.Transfer.Behind {
			continue
		}
		l := &list[i]
		l.zones++
		if lag > l.lag || lag == l.lag && w.origin < l.worst.origin {
			l.lag, l.worst = lag, w
		}
	}
	return list
}

// what says what is wrong; "" when nothing is.
func (l *lateness) what() string {
	if l.worst == nil {
		return ""
	}
	w := l.worst
	zones := w.origin
	if l.zones > 1 {
		zones = fmt.Sprintf("%d zones, %s the longest", l.zones, w.origin)
	}
	state, _ := w.state()
	at := w.peer.Address
	if w.peer.Serves.IsValid() {
		at = w.peer.Serves
	}
	what := fmt.Sprintf("%s has not served %s as it is for %v", at, zones, l.lag.Round(time.Second))
	if state == Behind {
		what += fmt.Sprintf(": serial %d instead of %d", w.seen, w.want)
	}
	if why := cmp.Or(w.why, w.peer.broken); why != "" {
		what += ": " + why
	}
	return what
}

// transferred takes note of a transfer to who.
func (p *Primary) transferred(who string, t Transfer, err error) {
	if p.deps.Transferred != nil {
		p.deps.Transferred(who, t, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, peer := range p.watches.peers {
		if peer.Name != who {
			continue
		}
		if err != nil {
			peer.broken = err.Error()
			return
		}
		peer.broken, peer.last = "", &t
		if t.Kind != SOA {
			if peer.fresh == nil {
				peer.fresh = map[string]Transfer{}
			}
			peer.fresh[t.Zone] = t
		}
		if w := p.watches.by[watchKey{who, t.Zone}]; w != nil && !w.polling && t.Serial == w.want && w.poll.After(t.At) {
			w.poll = p.deps.Now().Add(pollSoon / 10) // it is about to serve it
			p.watches.place(w)
			token(p.nudge)
		}
	}
}

// review makes events of what happened within the last second.
func (p *Primary) review() {
	p.mu.Lock()
	var say []event.Event
	now := p.deps.Now()
	for _, peer := range p.watches.peers {
		if len(peer.fresh) > 0 {
			say = append(say, event.Event{At: now, Kind: event.Transfer, Subject: peer.Name, What: took(peer), Level: "info"})
			peer.fresh = nil
		}
	}
	if p.watches.cfg != nil {
		for _, l := range p.late(now) {
			what := l.what()
			switch {
			case what != "" && l.peer.behind == "":
				say = append(say, event.Event{At: now, Kind: event.Transfer, Subject: l.peer.Name, What: l.peer.Name + " fell behind", Before: InStep, After: Behind, Why: what, Level: "warning"})
				p.deps.Log.Warn("secondary fell behind", "secondary", l.peer.Name, "why", what)
			case what == "" && l.peer.behind != "":
				say = append(say, event.Event{At: now, Kind: event.Transfer, Subject: l.peer.Name, What: l.peer.Name + " caught up", Before: Behind, After: InStep, Level: "info"})
				p.deps.Log.Info("secondary caught up", "secondary", l.peer.Name)
			}
			l.peer.behind = what
		}
	}
	p.mu.Unlock()
	for _, e := range say {
		p.deps.Event.Say(e)
	}
}

// took says what a secondary took lately.
func took(p *peer) string {
	whole, octets := 0, int64(0)
	for _, t := range p.fresh {
		if len(p.fresh) == 1 {
			return fmt.Sprintf("%s took %s at serial %d (%s, %d octets)", p.Name, t.Zone, t.Serial, strings.ToUpper(string(t.Kind)), t.Octets)
		}
		octets += t.Octets
		if t.Kind == AXFR {
			whole++
		}
	}
	return fmt.Sprintf("%s took %d zones (%d whole, %d octets)", p.Name, len(p.fresh), whole, octets)
}
