package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// writeAll carries plans out, zone by zone.
func (p *pusher) writeAll(ctx context.Context, plans []*plan.Plan) {
	p.wrote, p.looks, p.before = true, 0, map[where]uint32{}
	for _, one := range plans {
		for _, c := range plan.Merge(one.Steps) {
			if c.Before != nil {
				p.before[where{c.Before.Name, c.Before.Type}] = c.Before.TTL
			}
		}
	}
	for _, one := range plans {
		if len(one.Steps) == 0 {
			continue
		}
		err := error(nil)
		if time.Since(p.read[one.Zone]) > maxAge/2 {
			one, err = p.again(ctx, one)
		}
		if err == nil {
			p.unsettle(one.Steps)
			err = p.write(ctx, one, p.read[one.Zone])
		}
		switch {
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

// again reads and plans the names of one again, and no others: others took so
// long to be read that much may have happened there.
func (p *pusher) again(ctx context.Context, one *plan.Plan) (*plan.Plan, error) {
	names := make([]string, 0, len(one.Steps))
	for _, s := range one.Steps {
		names = append(names, s.Name)
	}
	p.mu.Lock()
	list, _ := p.wanted(one.Zone, names)
	p.mu.Unlock()
	fresh, err := p.planZone(ctx, one.Zone, list, false)
	if err != nil {
		return one, err
	}
	return fresh, nil
}

// unsettle notes that names are about to change.
func (w *worker) unsettle(steps []plan.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range steps {
		if e := w.entries[s.Name]; e != nil {
			w.dirty = w.dirty || e.Settled
			e.Settled, e.wrote = false, time.Now()
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
	for i, batch := range w.batches(p.Steps, size) {
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
// changed; a name that holds what only the provider's own API can express, or
// that our credentials may not change, is left as it is.
func (w *worker) request(ctx context.Context, origin string, steps []plan.Step) error {
	urgent := slices.ContainsFunc(steps, func(s plan.Step) bool { return !s.Drift })
	err := w.call(ctx, "write", urgent, func(ctx context.Context) error { return w.apply(ctx, origin, plan.Merge(steps)) })
	var foreign kind.Foreign
	denied := w.barred(ctx, origin, steps[0].Name, err)
	switch n := len(steps); {
	case err == nil:
		w.unbar(steps)
		return nil
	case denied && n == 1:
		w.bar(steps[0].Name, err)
		return nil
	case !denied && (w.ends(ctx, err) || errors.Is(err, kind.ErrNoZone)):
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
// after the other by libdns. Where something went to make room for what then
// could not come, it is put back.
func (w *worker) apply(ctx context.Context, origin string, changes []plan.Change) error {
	if a, ok := w.provider.(kind.Applier); ok {
		return a.Apply(ctx, origin, changes)
	}
	var gone []plan.RRset // at the name under way, while nothing came for it
	for i, c := range changes {
		err := w.one(ctx, origin, c)
		switch {
		case err != nil:
			if slices.ContainsFunc(changes[i:], func(d plan.Change) bool { return d.After != nil && d.Before == nil }) {
				err = errors.Join(err, w.restore(ctx, origin, gone))
			}
			return err
		case c.After == nil:
			gone = append(gone, *c.Before)
		case c.Before == nil:
			gone = nil
		}
	}
	return nil
}

// one makes one change by libdns.
func (w *worker) one(ctx context.Context, origin string, c plan.Change) error {
	err := kind.Pace(ctx)
	switch {
	case err != nil:
		return err
	case c.After != nil:
		_, err = w.provider.SetRecords(ctx, origin, kind.Records(origin, *c.After))
	default:
		_, err = w.provider.DeleteRecords(ctx, origin, kind.Records(origin, *c.Before))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.Set().Name, c.Set().Type, err)
	}
	return nil
}

// restore puts back what went, also while the process ends.
func (w *worker) restore(ctx context.Context, origin string, gone []plan.RRset) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), kind.PutBack)
	defer cancel()
	var failed []error
	for _, s := range gone {
		if err := w.one(ctx, origin, plan.Change{After: &s}); err != nil {
			failed = append(failed, fmt.Errorf("it went and could not be put back: %w", err))
		}
	}
	return errors.Join(failed...)
}
