package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// Why a push ended without an error of the provider.
var (
	errSuperseded = errors.New("what is answered changed meanwhile")
	errRefused    = errors.New("it would change more than one run may")
	errUnverified = errors.New("the provider's servers do not serve it")
	errOld        = errors.New("what was read is too old to write on")
	errUnsettled  = errors.New("the provider took the changes, and does not show them")
)

const (
	maxAge   = 30 * time.Second // of what was read: nothing is written on anything older
	mostRead = 12               // times that a push reads, because it was not as read, or as written
)

// push brings the provider in step: all of it, or what is not settled.
//
// It reads, plans, refuses what is too much, writes and reads again until
// nothing is left to do, and then asks the provider's servers. Whatever is
// wrong with one zone keeps no other from being pushed.
func (w *worker) push(ctx context.Context, all, force, ordered bool) (err error) {
	defer w.pushed(time.Now(), &err)
	if w.state() == InStep {
		w.say(Pending, "")
	}
	p := pusher{worker: w, broken: map[string]bool{}, read: map[string]time.Time{}, repair: ordered || w.cfg.Drift == config.RepairDrift}
	for range mostRead {
		plans := p.planAll(ctx, all)
		if why := (plan.Caps{Changes: w.cfg.Changes, Deletes: w.cfg.Deletes}).Refuse(plans); why != "" && !force {
			w.refuse(why)
			return fmt.Errorf("%w: %s", errRefused, why)
		}
		busy := slices.ContainsFunc(plans, func(p *plan.Plan) bool { return len(p.Steps) > 0 })
		switch {
		case !busy && !p.doubts:
			return w.conclude(ctx, p.failed)
		case p.wait(ctx, plans):
		case busy:
			p.writeAll(ctx, plans)
		default:
			return w.conclude(ctx, cmp.Or(p.failed, errUnsettled))
		}
		if ctx.Err() != nil || p.ends {
			break
		}
		if w.refresh() || p.superseded {
			return errSuperseded
		}
		all = false
	}
	return w.conclude(ctx, cmp.Or(p.failed, errUnsettled))
}

// A pusher is one push.
type pusher struct {
	*worker
	repair     bool                 // drift is written again
	broken     map[string]bool      // zones that failed, and are left alone until the next push
	failed     error                // the first failure
	read       map[string]time.Time // when each zone was read last
	ends       bool                 // it is one of the whole account
	wrote      bool                 // the last round wrote, and nobody else did
	looks      int                  // rounds since then that only looked
	doubts     bool                 // the last round found what a mixed read may have made
	before     map[where]uint32     // TTLs as they were when the last round wrote, in seconds
	superseded bool                 // the answer changed while it was being written
}

// blames notes that a zone failed.
func (p *pusher) blames(origin string, err error) {
	p.broken[origin] = true
	if p.failed == nil {
		p.failed = fmt.Errorf("%s: %w", strings.TrimSuffix(origin, "."), err)
	}
	var later kind.Later
	p.ends = p.ends || errors.As(err, &later) || errors.Is(err, errTimeout) || errors.Is(err, kind.ErrDenied) || errors.Is(err, errStuck)
}

// conclude verifies what was pushed, and says how the provider is.
func (w *worker) conclude(ctx context.Context, failed error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed != nil:
		w.fail(failed)
		return failed
	}
	w.mu.Lock()
	w.look.Pushed, w.look.Failures, w.look.refused = w.seen.Generation(), 0, ""
	w.mu.Unlock()
	if err := w.verify(ctx); err != nil {
		if errors.Is(err, errUnverified) {
			w.say(Unverified, err.Error())
		}
		return err
	}
	w.mu.Lock()
	w.look.Verified = w.look.Pushed
	drift, held := w.look.Drift, len(w.heldNames())
	w.mu.Unlock()
	switch {
	case drift > 0 && w.cfg.Drift == config.ReportDrift:
		w.say(Drifted, names(drift, "is not as we left it", "are not as we left them"))
	case held > 0:
		w.say(Held, names(held, "is left as it is", "are left as they are")+": "+w.firstHeld())
	default:
		w.say(InStep, w.firstBeside())
	}
	return nil
}

// refuse says that a push would change too much.
func (w *worker) refuse(why string) {
	w.mu.Lock()
	w.look.refused = why
	w.mu.Unlock()
	w.say(Held, why)
}

// fail says that a push failed.
func (w *worker) fail(err error) {
	w.mu.Lock()
	w.look.Failures++
	w.mu.Unlock()
	if errors.Is(err, kind.ErrDenied) {
		w.say(Denied, err.Error())
		return
	}
	w.say(Failing, err.Error())
}

// planAll reads the zones that have something to do, and plans each.
func (p *pusher) planAll(ctx context.Context, all bool) (plans []*plan.Plan) {
	w := p.worker
	p.doubts, w.reads, w.inRow = false, false, 0
	if all {
		w.early = false
		w.mu.Lock()
		w.look.Drift, w.look.Drifted, w.look.Left = 0, "", nil
		w.mu.Unlock()
	}
	w.mu.Lock()
	todo := w.byZone(func(e *entry) bool { return all || !e.Settled && e.held == "" })
	w.mu.Unlock()
	for _, origin := range slices.Sorted(maps.Keys(todo)) {
		if p.broken[origin] {
			continue
		}
		if err := w.fathom(ctx, origin); err != nil {
			if p.blames(origin, err); ctx.Err() != nil || p.ends {
				return nil
			}
			continue
		}
		w.mu.Lock()
		list, left := w.wanted(origin, todo[origin])
		if all {
			w.look.Left = append(w.look.Left, left...)
		}
		w.mu.Unlock()
		one, err := p.planZone(ctx, origin, list, all)
		if err == nil {
			plans = append(plans, one)
			continue
		}
		if p.blames(origin, err); ctx.Err() != nil || p.ends {
			return nil
		}
	}
	if all && p.failed == nil {
		w.checked = time.Now()
	}
	return plans
}

// planZone reads and plans one zone, and notes what it learns.
func (p *pusher) planZone(ctx context.Context, origin string, list []plan.Wanted, all bool) (*plan.Plan, error) {
	w := p.worker
	p.read[origin] = time.Now()
	urgent := !all || slices.ContainsFunc(list, func(x plan.Wanted) bool { return !x.Settled })
	is, err := w.lookup(ctx, origin, list, all, urgent)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	one := plan.Diff(list, is, w.rules(origin, p.repair))
	w.newest = max(w.newest, one.Newest)
	switch {
	case one.Drift > 0 && p.repair:
		w.tellRepair(origin, one.Drift)
	case all:
		w.look.Drift += one.Drift
		w.look.Drifted = cmp.Or(w.look.Drifted, one.First)
	}
	busy, held := map[string]bool{}, map[string]string{}
	for _, s := range one.Steps {
		busy[s.Name] = true
	}
	for _, h := range one.Held {
		if h.Doubtful && time.Since(w.entries[h.Name].wrote) < doubtFor {
			busy[h.Name], p.doubts = true, true
			continue
		}
		held[h.Name] = h.Why
	}
	w.learn(list, one, busy, held)
	for _, x := range list {
		if e := w.entries[x.Name]; e != nil {
			e.beside = ""
		}
	}
	for _, b := range one.Beside {
		w.entries[b.Name].beside = b.Why // of list, and wanted there
	}
	return one, nil
}

// learn notes what a plan of list says of its names.
func (w *worker) learn(list []plan.Wanted, one *plan.Plan, busy map[string]bool, held map[string]string) {
	for _, x := range list {
		e := w.entries[x.Name] // only run's goroutine changes what is there
		if stamp, ok := one.Stamps[x.Name]; ok {
			e.Stamp, w.dirty = stamp, true
		}
		if !busy[x.Name] {
			e.barred = ""
		}
		e.held = cmp.Or(held[x.Name], e.barred)
		e.fresh = e.fresh && e.held != "" && w.patient()
		w.early = w.early || e.fresh
		switch settled := !busy[x.Name] && e.held == ""; {
		case settled && !e.Settled:
			e.Settled, w.dirty = true, true
			e.unverified = !e.Gone
		case settled && e.Gone && uint64(time.Now().UnixMilli()) > e.Stamp+overMillis:
			delete(w.entries, x.Name)
			w.dirty = true
		}
	}
}

// tellRepair says that records which others changed are written again.
func (w *worker) tellRepair(origin string, names int) {
	what := fmt.Sprintf("somebody else changed %d names of %s at %s: they are written again", names, strings.TrimSuffix(origin, "."), w.cfg.Name)
	w.k.deps.Log.Warn("provider drift repaired", "provider", w.cfg.Name, "zone", origin, "names", names)
	w.k.deps.Event.Say(event.Event{Kind: event.Push, Subject: w.cfg.Name, What: what, Level: event.Warning})
}

// overMillis is when a name that is gone is forgotten: its mark has been
// removed by then.
const overMillis = 25 * 60 * 60 * 1000

// lookup returns the RRsets of a zone, at least those of the wanted names and
// their marks.
func (w *worker) lookup(ctx context.Context, origin string, list []plan.Wanted, all, urgent bool) ([]plan.RRset, error) {
	var records []libdns.Record
	err := w.call(ctx, "read", urgent, func(ctx context.Context) (err error) {
		r, ok := w.provider.(kind.Reader)
		if !ok || all {
			records, err = w.provider.GetRecords(ctx, origin)
			if !ok || !errors.Is(err, kind.ErrDenied) { // a key may be allowed to ask, and not to have all
				return err
			}
		}
		names := make([]string, 0, 2*len(list))
		for _, x := range list {
			names = append(names, x.Name, plan.MarkName(x.Name, origin))
		}
		records, err = r.Read(ctx, origin, names)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rrsets(origin, records, list)
}

// rrsets returns records as RRsets. One that cannot be read is passed over where
// it stands at no name of ours, and an error where it does.
func rrsets(origin string, records []libdns.Record, list []plan.Wanted) ([]plan.RRset, error) {
	sets, err := kind.RRsets(origin, records)
	if err == nil {
		return sets, nil
	}
	ours := make(map[string]bool, 2*len(list))
	for _, x := range list {
		ours[x.Name], ours[plan.MarkName(x.Name, origin)] = true, true
	}
	return kind.RRsets(origin, slices.DeleteFunc(slices.Clone(records), func(r libdns.Record) bool {
		return !ours[kind.Absolute(r.RR().Name, origin)]
	}))
}

func (w *worker) lockedRules(origin string, repair bool) plan.Rules {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rules(origin, repair)
}
