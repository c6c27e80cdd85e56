package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// An entry is what is known of one steered name at one provider. Its exported
// fields outlive the process.
type entry struct {
	Key     string `json:"key,omitempty"`     // names the content
	Stamp   uint64 `json:"stamp"`             // of the decision for it; 0: not known
	Settled bool   `json:"settled,omitempty"` // that was seen in step at the provider
	Gone    bool   `json:"gone,omitempty"`    // no longer steered

	Zone string `json:"zone"`

	sets       []plan.RRset // as they are answered; none: not known since the start
	fresh      bool         // not looked at the provider since the start
	unverified bool         // the provider's servers have not served it yet
	beside     string       // which records of others stand beside what we keep there; "": none
	wrote      time.Time    // when we last wrote there; zero: not since the start
	held       string       // why it is left as it is; "" where it is not
	barred     string       // why it was when our credentials could not change it; "" where they can, as far as is known
}

// A target says which names a provider has.
type target struct {
	zones map[string][]string // names of services by zone
	kept  map[string]bool     // services that are configured at all: none of them is ever gone
	known map[string]bool     // zones that are configured at all: only in them is anything ever gone
}

// targetOf returns what p has to hold under cfg.
func targetOf(cfg *config.Config, p *config.Provider) target {
	t := target{zones: map[string][]string{}, kept: map[string]bool{}, known: map[string]bool{}}
	for _, z := range cfg.Zones {
		t.known[z.Name] = true
		wanted := len(p.Zones) == 0 || slices.Contains(p.Zones, z.Name)
		for _, s := range z.Services {
			t.kept[s.Name] = true
			if wanted && (len(p.Only) == 0 || slices.Contains(p.Only, s.Name)) {
				t.zones[z.Name] = append(t.zones[z.Name], s.Name)
			}
		}
	}
	return t
}

// refresh brings the entries up to what is answered now, and reports whether
// one of them changed. A service that has nothing to answer with, or that this
// provider is no longer to have, stays as it was pushed last.
func (w *worker) refresh() (changed bool) {
	source, t := w.k.current(), w.targeted.Load()
	if source == nil || source == w.seen && t == w.seenTarget {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stamp := w.nextStamp()
	for origin, names := range w.names(source, t) {
		for _, name := range names {
			changed = w.renew(origin, name, source.Service(name, w.cfg.Content), stamp) || changed
		}
	}
	if t != w.seenTarget {
		changed = w.forget(t, stamp) || changed
	}
	if w.seen == nil {
		w.patientTill = time.Now().Add(w.k.patience())
	}
	w.seen, w.seenTarget = source, t
	w.dirty = w.dirty || changed
	return changed
}

// names returns the names of t, by zone, that may be otherwise in source than
// in what was seen last.
func (w *worker) names(source Source, t *target) map[string][]string {
	before, ok := w.seen.(*zone.Snapshot)
	now, ok2 := source.(*zone.Snapshot)
	if !ok || !ok2 || t != w.seenTarget {
		return t.zones
	}
	out := map[string][]string{}
	for i, z := range now.Set().Zones() {
		ours := t.zones[z.Name()]
		if len(ours) == 0 {
			continue
		}
		moved := map[string]bool{}
		for was, is := range now.Changes(before, int32(i), w.cfg.Content) {
			moved[was.Name], moved[is.Name] = true, true
		}
		if len(moved) == 0 {
			continue
		}
		for _, name := range ours {
			if moved[name] {
				out[z.Name()] = append(out[z.Name()], name)
			}
		}
	}
	return out
}

// renew notes what a service holds, and reports whether that is new.
func (w *worker) renew(origin, name string, answer []zone.RRset, stamp uint64) bool {
	sets := make([]plan.RRset, 0, len(answer))
	for _, a := range answer {
		if s, err := plan.Of(a.Records); err == nil { // all that a service can have can be written
			sets = append(sets, s)
		}
	}
	e := w.entries[name]
	if len(sets) == 0 {
		return false
	}
	key := keyOf(sets)
	switch {
	case e == nil:
		w.entries[name] = &entry{Key: key, sets: sets, Zone: origin, fresh: true}
		return true
	case e.Key == key && !e.Gone:
		e.sets, e.Zone = sets, origin
		return false
	}
	*e = entry{Key: key, sets: sets, Zone: origin, Stamp: stamp, fresh: e.fresh, barred: e.barred}
	return true
}

// forget lets go of names that t does not have:
//
//	the service                    its zone            at the provider
//	is no longer configured        is                  goes
//	is no longer configured        is not either       stays as it is: the zone was handed over
//	is, and not for this provider  -                   stays as it is: somebody else looks after it
func (w *worker) forget(t *target, stamp uint64) (changed bool) {
	have := map[string]bool{}
	for _, names := range t.zones {
		for _, name := range names {
			have[name] = true
		}
	}
	for name, e := range w.entries {
		switch {
		case have[name] || e.Gone:
		case t.kept[name] || !t.known[e.Zone]:
			delete(w.entries, name)
			changed = true
		default:
			*e = entry{Gone: true, Stamp: stamp, Zone: e.Zone, fresh: e.fresh}
			changed = true
		}
	}
	return changed
}

// nextStamp returns a stamp above all that this worker has seen: the time, where
// clocks are right.
func (w *worker) nextStamp() uint64 {
	w.newest = max(w.newest+1, uint64(max(0, time.Now().UnixMilli())))
	return w.newest
}

// patient reports whether the process is so young that what it answers may be
// what it answered before it stopped, and no decision of now.
func (w *worker) patient() bool { return time.Now().Before(w.patientTill) }

// leastPatience is how long a process is young at least.
const leastPatience = time.Minute

// patience returns how long a process is young: until every monitor has had
// the time to bring a pool down, ten minutes at most.
func (k *Keeper) patience() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := leastPatience
	for _, m := range k.cfg.Monitors {
		wait = max(wait, time.Duration(m.Fall+1)*(m.Interval+m.Timeout))
	}
	return min(wait, 10*leastPatience)
}

// keyOf names a content.
func keyOf(sets []plan.RRset) string {
	h := sha256.New()
	for _, s := range sets {
		fmt.Fprintf(h, "%s %d %q\n", s.Type, s.TTL, s.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// limits returns what a zone of the provider can hold.
func (w *worker) limits(origin string) plan.Limits {
	own, ok := w.floors[origin]
	if !ok {
		own = seconds(w.able.MinTTL)
	}
	floor := max(seconds(w.cfg.TTLMin), own, w.floor)
	return plan.Limits{MinTTL: floor, TTLs: w.able.TTLs, Alias: w.able.Alias, Types: w.types()}
}

// types returns what can be held beside the common types: all, at a provider
// that does not say.
func (w *worker) types() []string {
	if _, says := w.provider.(kind.Abler); says {
		return w.able.Types
	}
	return []string{"HTTPS", "SVCB"}
}

func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// byZone returns the names, sorted, of the entries that take says, by zone.
// What has not been answered since the start is left out.
func (w *worker) byZone(take func(*entry) bool) map[string][]string {
	out := map[string][]string{}
	for name, e := range w.entries {
		if take(e) && (len(e.sets) > 0 || e.Gone) {
			out[e.Zone] = append(out[e.Zone], name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// wanted returns what plan is to compare of names, which are in one zone, and
// what cannot be expressed there.
func (w *worker) wanted(origin string, names []string) (list []plan.Wanted, left []string) {
	limits := w.limits(origin)
	for _, name := range names {
		e := w.entries[name]
		fit, not := limits.Fit(origin, e.sets)
		left = append(left, not...)
		list = append(list, plan.Wanted{Name: name, RRsets: fit, Stamp: e.Stamp, Fresh: e.fresh, Gone: e.Gone, Settled: e.Settled})
	}
	return list, left
}

// rules returns the rules for a zone.
func (w *worker) rules(origin string, repair bool) plan.Rules {
	return plan.Rules{
		Zone: origin, Owner: w.cfg.Owner, Node: w.k.node(), TTL: markTTL(w.limits(origin)), Repair: repair,
		Adopt: func(name string) bool { return slices.Contains(w.cfg.Adopt, "*") || slices.Contains(w.cfg.Adopt, name) },
		Now:   uint64(max(0, time.Now().UnixMilli())), Next: w.nextStamp(), Patient: w.patient(),
	}
}

// markTTL is the TTL of marks: a minute, where that may be.
func markTTL(l plan.Limits) uint32 {
	fit, _ := l.Fit("", []plan.RRset{{Type: "TXT", TTL: 60}})
	return fit[0].TTL
}

// node returns the name that marks carry.
func (k *Keeper) node() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cfg.Node.Name
}
