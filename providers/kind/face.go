package kind

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A store is what an adapter has to bring: a zone can be read, and changes be
// made in it. A face makes the libdns methods of it.
type store interface {
	// read returns every RRset of zone that one of names, fully qualified,
	// has; all of the zone if names is nil. It may return more. One RRset may
	// come in parts.
	read(ctx context.Context, zone string, names []string) ([]plan.RRset, error)
	// write makes changes in a zone that holds have. It has been checked that
	// each Before is in have, that each After has data, and that TTLs are not 0.
	write(ctx context.Context, zone string, have content, changes []plan.Change) error
}

// defaultTTL, in seconds, is what a record gets that comes with none.
const defaultTTL = 300

// A face is a store as libdns and providers know it: its methods are those of
// libdns.RecordGetter, RecordSetter, RecordAppender and RecordDeleter, and
// Apply. Changes are made one call after another, so that two calls at a time
// both have their effect where a provider replaces whole RRsets.
//
// No change is made on what is not as it was expected: Apply reads first, and
// returns ErrStale. Between its look and its change others may be faster; kinds
// that rule that out say Expects.
type face struct {
	store store
	turn  chan struct{} // holds one token
}

func newFace(s store) face {
	f := face{store: s, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// lock waits for f's turn, or until ctx is done.
func (f face) lock(ctx context.Context) error {
	select {
	case <-f.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f face) unlock() { f.turn <- struct{}{} }

// content reads what names have in zone; nil is all.
func (f face) content(ctx context.Context, zone string, names []string) (content, error) {
	sets, err := f.store.read(ctx, zone, names)
	if err != nil {
		return nil, err
	}
	return contentOf(sets)
}

// zoneName returns zone as the adapters have it: lower case, with the final dot.
func zoneName(zone string) string { return strings.ToLower(strings.TrimSuffix(zone, ".")) + "." }

// GetRecords returns all records of zone, without SOA and what DNSSEC adds.
func (f face) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	zone = zoneName(zone)
	have, err := f.content(ctx, zone, nil)
	if err != nil {
		return nil, err
	}
	return records(zone, have.sorted()), nil
}

// Apply makes changes, none if a Before is not what is there (ErrStale).
func (f face) Apply(ctx context.Context, zone string, changes []plan.Change) error {
	zone = zoneName(zone)
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	names := []string{}
	for _, c := range changes {
		names = append(names, strings.ToLower(slotOf(c).name))
	}
	have, err := f.content(ctx, zone, names)
	if err != nil {
		return err
	}
	if err := have.expect(changes); err != nil {
		return err
	}
	return f.commit(ctx, zone, have, changes)
}

// commit writes changes in canonical form, those left out that change nothing.
func (f face) commit(ctx context.Context, zone string, have content, changes []plan.Change) error {
	var out []plan.Change
	for _, c := range changes {
		if c.After != nil {
			if len(c.After.Data) == 0 {
				return errors.New(slotOf(c).String() + ": an RRset without records; to delete it there is After nil")
			}
			after, err := canonical(*c.After)
			if err != nil {
				return err
			}
			if after.TTL == 0 {
				after.TTL = defaultTTL
			}
			if c.Before != nil && same(have[slotOf(c)], after) {
				continue
			}
			c.After = &after
		}
		if c.Before != nil {
			before := have[slotOf(c)]
			c.Before = &before
		}
		out = append(out, c)
	}
	return f.store.write(ctx, zone, have, out)
}

// SetRecords makes recs the only records of the RRsets that they name. It is
// as atomic as Apply is at this kind.
func (f face) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return f.edit(ctx, zone, recs, func(have content, want plan.RRset) ([]string, uint32) {
		return want.Data, want.TTL
	})
}

// AppendRecords adds recs to the RRsets that they name; what is there already
// is left as it is, TTLs too. It returns those that were not there.
func (f face) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return f.edit(ctx, zone, recs, func(have content, want plan.RRset) ([]string, uint32) {
		was, ok := have[slot{want.Name, want.Type}]
		if !ok {
			return want.Data, want.TTL
		}
		return slices.Concat(was.Data, want.Data), was.TTL
	})
}

// edit changes each RRset that recs name to what next makes of it, and returns
// recs as they were written. A record that next leaves as it was is not
// returned twice.
func (f face) edit(ctx context.Context, zone string, recs []libdns.Record, next func(content, plan.RRset) ([]string, uint32)) ([]libdns.Record, error) {
	zone = zoneName(zone)
	wanted, err := wanted(zone, recs)
	if err != nil {
		return nil, err
	}
	if err := f.lock(ctx); err != nil {
		return nil, err
	}
	defer f.unlock()
	names := []string{}
	for _, want := range wanted {
		names = append(names, want.Name)
	}
	have, err := f.content(ctx, zone, names)
	if err != nil {
		return nil, err
	}
	var changes []plan.Change
	for i, want := range wanted {
		data, ttl := next(have, want)
		after, err := canonical(plan.RRset{Name: want.Name, Type: want.Type, TTL: ttl, Data: data})
		if err != nil {
			return nil, err
		}
		change := plan.Change{After: &after}
		if was, ok := have[slotOf(change)]; ok {
			change.Before = &was
		}
		changes = append(changes, change)
		wanted[i].TTL = after.TTL
	}
	if err := f.commit(ctx, zone, have, changes); err != nil {
		return nil, err
	}
	return records(zone, wanted), nil
}

// wanted gathers recs into RRsets, in order of name and type.
func wanted(zone string, recs []libdns.Record) ([]plan.RRset, error) {
	sets := make([]plan.RRset, 0, len(recs))
	for _, rec := range recs {
		s, err := rrset(zone, rec)
		if err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	all, err := contentOf(sets)
	if err != nil {
		return nil, err
	}
	return all.sorted(), nil
}

// DeleteRecords deletes the records that are exactly as one of recs, whose
// empty type, TTL or data stand for any. Others of the same RRset stay.
func (f face) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	zone = zoneName(zone)
	if err := f.lock(ctx); err != nil {
		return nil, err
	}
	defer f.unlock()
	names := []string{}
	for _, rec := range recs {
		names = append(names, absolute(rec.RR().Name, zone))
	}
	have, err := f.content(ctx, zone, names)
	if err != nil {
		return nil, err
	}
	var changes []plan.Change
	var deleted []plan.RRset
	for _, was := range have.sorted() {
		gone, kept, err := split(zone, was, recs)
		if err != nil {
			return nil, err
		}
		if len(gone) == 0 {
			continue
		}
		change := plan.Change{Before: &was}
		if len(kept) > 0 {
			change.After = &plan.RRset{Name: was.Name, Type: was.Type, TTL: was.TTL, Data: kept}
		}
		changes = append(changes, change)
		deleted = append(deleted, plan.RRset{Name: was.Name, Type: was.Type, TTL: was.TTL, Data: gone})
	}
	if len(changes) == 0 {
		return nil, nil
	}
	if err := f.commit(ctx, zone, have, changes); err != nil {
		return nil, err
	}
	return records(zone, deleted), nil
}

// split parts was's data into what recs name and what they do not.
func split(zone string, was plan.RRset, recs []libdns.Record) (gone, kept []string, err error) {
	for _, d := range was.Data {
		hit := false
		for _, rec := range recs {
			rr := rec.RR()
			if absolute(rr.Name, zone) != was.Name || rr.Type != "" && rr.Type != was.Type {
				continue
			}
			if rr.TTL != 0 && uint32(rr.TTL.Seconds()) != was.TTL {
				continue
			}
			if rr.Data != "" {
				rr.Type = was.Type
				named, err := rrset(zone, rr)
				if err != nil {
					return nil, nil, err
				}
				if named.Data[0] != d {
					continue
				}
			}
			hit = true
			break
		}
		if hit {
			gone = append(gone, d)
		} else {
			kept = append(kept, d)
		}
	}
	return gone, kept, nil
}
