package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
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

	mostLooks = 3                      // times that it looks again for what it wrote before it writes it again
	leastLook = 200 * time.Millisecond // before the second look; doubled with each
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
	p := pusher{worker: w, broken: map[string]bool{}, repair: ordered || w.cfg.Drift == config.RepairDrift}
	for range mostRead {
		plans := p.planAll(ctx, all)
		if why := (plan.Caps{Changes: w.cfg.Changes, Deletes: w.cfg.Deletes}).Refuse(plans); why != "" && !force {
			w.refuse(why)
			return fmt.Errorf("%w: %s", errRefused, why)
		}
		if !slices.ContainsFunc(plans, func(p *plan.Plan) bool { return len(p.Steps) > 0 }) {
			return w.conclude(ctx, p.failed)
		}
		if !p.wait(ctx, plans) {
			p.writeAll(ctx, plans)
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
	repair     bool            // drift is written again
	broken     map[string]bool // zones that failed, and are left alone until the next push
	failed     error           // the first failure
	ends       bool            // it is one of the whole account
	wrote      bool            // the last round wrote, and nobody else did
	looks      int             // rounds since then that only looked
	superseded bool            // the answer changed while it was being written
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

// wait gives the provider a little time to show what it took, and reports
// whether to look again before writing again. A TTL that it raised is taken for
// its lowest.
func (p *pusher) wait(ctx context.Context, plans []*plan.Plan) bool {
	if !p.wrote || p.looks >= mostLooks {
		return false
	}
	if floor := raised(plans); floor > 0 {
		p.mu.Lock()
		p.floor = max(p.floor, floor)
		p.mu.Unlock()
		return true
	}
	pause := time.NewTimer(leastLook << p.looks)
	defer pause.Stop()
	p.looks++
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
	return true
}

// raised returns the TTL that a provider made of shorter ones, where that is
// all that is left to do; 0 where it is not.
func raised(plans []*plan.Plan) (floor uint32) {
	for _, p := range plans {
		for _, s := range p.Steps {
			for _, c := range s.Changes {
				if c.Before == nil || c.After == nil || c.Before.TTL <= c.After.TTL || !slices.Equal(c.Before.Data, c.After.Data) {
					return 0
				}
				floor = max(floor, c.Before.TTL)
			}
		}
	}
	return floor
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
		w.say(Drifted, fmt.Sprintf("%d names are not as we left them", drift))
	case held > 0:
		w.say(Held, fmt.Sprintf("%d names are left as they are", held))
	default:
		w.say(InStep, "")
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
	if all {
		w.mu.Lock()
		w.look.Drift, w.look.Left = 0, nil
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
	urgent := !all || slices.ContainsFunc(list, func(x plan.Wanted) bool { return !x.Settled })
	is, err := w.read(ctx, origin, list, all, urgent)
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
	}
	busy, held := map[string]bool{}, map[string]string{}
	for _, s := range one.Steps {
		busy[s.Name] = true
	}
	for _, h := range one.Held {
		held[h.Name] = h.Why
	}
	w.learn(list, one, busy, held)
	return one, nil
}

// learn notes what a plan of list says of its names.
func (w *worker) learn(list []plan.Wanted, one *plan.Plan, busy map[string]bool, held map[string]string) {
	for _, x := range list {
		e := w.entries[x.Name] // only run's goroutine changes what is there
		if stamp, ok := one.Stamps[x.Name]; ok {
			e.Stamp, w.dirty = stamp, true
		}
		e.fresh, e.held = false, held[x.Name]
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

// read returns the RRsets of a zone, at least those of the wanted names and
// their marks.
func (w *worker) read(ctx context.Context, origin string, list []plan.Wanted, all, urgent bool) ([]plan.RRset, error) {
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

// writeAll carries plans out, zone by zone.
func (p *pusher) writeAll(ctx context.Context, plans []*plan.Plan) {
	read := time.Now()
	p.wrote, p.looks = true, 0
	for _, one := range plans {
		if len(one.Steps) == 0 {
			continue
		}
		p.unsettle(one.Steps)
		switch err := p.write(ctx, one, read); {
		case err == nil:
		case errors.Is(err, kind.ErrStale), errors.Is(err, errOld):
			p.wrote = false
		case errors.Is(err, errSuperseded):
			p.superseded = true
			return
		default:
			if p.blames(one.Zone, err); p.ends {
				return
			}
		}
	}
}

// unsettle notes that names are about to change.
func (w *worker) unsettle(steps []plan.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range steps {
		if e := w.entries[s.Name]; e != nil && e.Settled {
			e.Settled, w.dirty = false, true
		}
	}
}

// write carries one plan out, in requests as large as the provider takes. It
// ends where the answer changed meanwhile, or what was read is too old to write
// on.
func (w *worker) write(ctx context.Context, p *plan.Plan, read time.Time) error {
	size := w.able.Batch
	if _, ok := w.provider.(kind.Applier); !ok {
		size = 0
	}
	var failed error
	for i, batch := range plan.Batches(p.Steps, size) {
		if i > 0 && w.refresh() {
			return errSuperseded
		}
		if time.Since(read) > maxAge {
			return cmp.Or(failed, errOld)
		}
		err := w.request(ctx, p.Zone, batch)
		if failed = cmp.Or(failed, err); err != nil && w.ends(ctx, err) {
			return err
		}
	}
	return failed
}

// request makes the changes of steps at once. What fails for many is tried for
// halves of them, so that one bad record keeps no other name from being
// changed; a name that holds what only the provider's own API can express is
// left as it is.
func (w *worker) request(ctx context.Context, origin string, steps []plan.Step) error {
	urgent := slices.ContainsFunc(steps, func(s plan.Step) bool { return !s.Drift })
	err := w.call(ctx, "write", urgent, func(ctx context.Context) error { return w.apply(ctx, origin, plan.Merge(steps)) })
	var foreign kind.Foreign
	switch n := len(steps); {
	case err == nil, w.ends(ctx, err), errors.Is(err, kind.ErrNoZone):
		return err
	case n > 1:
		first := w.request(ctx, origin, steps[:n/2])
		if first != nil && w.ends(ctx, first) {
			return first
		}
		return cmp.Or(w.request(ctx, origin, steps[n/2:]), first)
	case errors.As(err, &foreign):
		w.mu.Lock()
		defer w.mu.Unlock()
		if e := w.entries[steps[0].Name]; e != nil {
			e.held = foreign.Error()
		}
		return nil
	}
	return err
}

// ends reports whether err, of a request, means that the next one need not be
// made: the account, or the connection, is what fails.
func (w *worker) ends(ctx context.Context, err error) bool {
	var later kind.Later
	var network net.Error
	return ctx.Err() != nil || errors.As(err, &later) || errors.As(err, &network) && !errors.Is(err, kind.ErrRefused) || errors.Is(err, kind.ErrDown) || errors.Is(err, kind.ErrDenied) || errors.Is(err, errStuck) || errors.Is(err, context.Canceled) ||
		errors.Is(err, errTimeout)
}

// apply makes changes: in one request where the provider has those, else one
// after the other by libdns.
func (w *worker) apply(ctx context.Context, origin string, changes []plan.Change) error {
	if a, ok := w.provider.(kind.Applier); ok {
		return a.Apply(ctx, origin, changes)
	}
	for _, c := range changes {
		var err error
		if err = kind.Pace(ctx); err != nil {
			return err
		}
		if c.After != nil {
			_, err = w.provider.SetRecords(ctx, origin, kind.Records(origin, *c.After))
		} else {
			_, err = w.provider.DeleteRecords(ctx, origin, kind.Records(origin, *c.Before))
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", c.Set().Name, c.Set().Type, err)
		}
	}
	return nil
}

func (w *worker) lockedRules(origin string, repair bool) plan.Rules {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rules(origin, repair)
}
