package kind

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A store is what differs between providers: how RRsets are read and written.
// The account around it makes the interfaces of libdns, Reader and Applier of it.
type store interface {
	Abler

	// read returns the RRsets of a fully qualified name, or those of the whole
	// zone for "". It may return more. ErrNoZone without such a zone.
	read(ctx context.Context, zone, name string) ([]held, error)

	// write makes edits, which come in the order of sequence, in one request
	// where the kind is atomic. ErrStale where the provider compares and found
	// something else than was.
	write(ctx context.Context, zone string, edits []edit) error
}

// errDoubt is wrapped by the error of a write that may have failed because of
// what is there: a blind one looks.
var errDoubt = errors.New("perhaps for what is there")

// An account is a store as libdns and providers know it. It writes for one
// call at a time, since a store reads before it writes.
type account struct {
	store
	whole bool          // read knows no names, so that one call is for all of them
	blind bool          // write compares was by its data alone, so that Apply need not read
	turn  chan struct{} // holds one token while somebody writes
}

func newAccount(s store) account { return account{store: s, turn: make(chan struct{}, 1)} }

// begin waits for the turn to write; the error is the context's.
func (a account) begin(ctx context.Context) (end func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// GetRecords returns the records of a zone, but for what cannot be expressed as
// records: weighted sets, aliases of a provider's own resources. Its errors
// wrap ErrNoZone or ErrDenied, or are a Later.
func (a account) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	return a.Read(ctx, zone, nil)
}

// Read is GetRecords for the records of some names, or all of the zone for nil.
func (a account) Read(ctx context.Context, zone string, names []string) ([]libdns.Record, error) {
	zone = zoneName(zone)
	sets, err := a.look(ctx, zone, names)
	if err != nil {
		return nil, err
	}
	var records []libdns.Record
	for _, set := range sets {
		records = append(records, Records(zone, set.RRset)...)
	}
	return records, nil
}

// SetRecords makes the RRsets that recs name hold these records and no others.
// It is as atomic as Apply is at this kind.
func (a account) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return a.change(ctx, zone, recs, func(_ *held, want plan.RRset) plan.RRset { return want })
}

// AppendRecords adds recs to the RRsets that they name. What is there already
// stays as it is, its TTL too, since an RRset has one (RFC 2181 §5.2).
func (a account) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return a.change(ctx, zone, recs, func(was *held, want plan.RRset) plan.RRset {
		if was != nil {
			want.TTL = was.TTL
			want.Data = slices.Compact(slices.Sorted(slices.Values(slices.Concat(was.Data, want.Data))))
		}
		return want
	})
}

// change writes what next makes of each RRset that recs name, and returns recs
// as they were written.
func (a account) change(ctx context.Context, zone string, recs []libdns.Record, next func(was *held, want plan.RRset) plan.RRset) ([]libdns.Record, error) {
	zone = zoneName(zone)
	sets, err := RRsets(zone, recs)
	if err != nil || len(sets) == 0 {
		return nil, err
	}
	end, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	owners := []string{}
	for _, set := range sets {
		owners = append(owners, set.Name)
	}
	now, err := a.look(ctx, zone, owners)
	if err != nil {
		return nil, err
	}
	var edits []edit
	var written []libdns.Record
	for _, set := range sets {
		was := now.find(set.Name, set.Type)
		to := next(was, set)
		to.TTL = a.taken(to.TTL)
		set.TTL = to.TTL
		written = append(written, Records(zone, set)...)
		edits = append(edits, edit{was, &to})
	}
	if err := a.commit(ctx, zone, edits); err != nil {
		return nil, err
	}
	return written, nil
}

// DeleteRecords deletes the records that are exactly as one of recs, whose
// empty type, TTL or data stand for any. Others of the same RRset stay.
func (a account) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	zone = zoneName(zone)
	if len(recs) == 0 {
		return nil, nil
	}
	end, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	owners := []string{}
	for _, rec := range recs {
		owners = append(owners, Absolute(rec.RR().Name, zone))
	}
	now, err := a.look(ctx, zone, owners)
	if err != nil {
		return nil, err
	}
	var edits []edit
	var deleted []libdns.Record
	for i := range now {
		was := &now[i]
		gone, kept, err := split(zone, was.RRset, recs)
		if err != nil {
			return nil, err
		}
		if len(gone) == 0 {
			continue
		}
		e := edit{was: was}
		if len(kept) > 0 {
			e.to = &plan.RRset{Name: was.Name, Type: was.Type, TTL: was.TTL, Data: kept}
		}
		edits = append(edits, e)
		deleted = append(deleted, Records(zone, plan.RRset{Name: was.Name, Type: was.Type, TTL: was.TTL, Data: gone})...)
	}
	if err := a.commit(ctx, zone, edits); err != nil {
		return nil, err
	}
	return deleted, nil
}

// Apply makes changes if every Before is what is there, and returns ErrStale if
// not. Whether that holds against others who write in the same moment is
// Abilities.Expects; without it, what others do between our look and our
// change is not seen. A Foreign says that a name is not ours to change.
//
//	change     Before is there   the provider does
//	create     nothing           an RRset comes
//	replace    the same RRset    it changes, and is never empty in between
//	delete     the same RRset    it goes, after all that comes
//	any        something else    nothing: ErrStale
func (a account) Apply(ctx context.Context, zone string, changes []plan.Change) error {
	zone = zoneName(zone)
	edits, err := a.edits(changes)
	if err != nil || len(edits) == 0 {
		return err
	}
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if a.blind {
		if err := a.commit(ctx, zone, edits); !errors.Is(err, ErrStale) && !errors.Is(err, errDoubt) {
			return err
		}
		// Others were faster, or what is there is the same data spelled
		// otherwise, or a foreign set: a look says which.
	}
	owners := []string{}
	for _, e := range edits {
		owners = append(owners, e.name())
	}
	now, err := a.look(ctx, zone, owners)
	if err != nil {
		return err
	}
	for i, e := range edits {
		is := now.find(e.name(), e.kind())
		switch {
		case is != nil && is.foreign != "":
			return Foreign{is.Name, is.foreign}
		case is == nil && e.was == nil:
		case is == nil || e.was == nil || !same(is.RRset, e.was.RRset):
			return fmt.Errorf("%s: %w", e, ErrStale)
		}
		edits[i].was = is
	}
	return a.commit(ctx, zone, edits)
}

// edits returns changes in canonical form.
func (a account) edits(changes []plan.Change) ([]edit, error) {
	var edits []edit
	for _, c := range changes {
		if c.Before == nil && c.After == nil {
			return nil, errors.New("a change from nothing to nothing")
		}
		var e edit
		if c.Before != nil {
			before, err := plan.New(c.Before.Name, c.Before.Type, c.Before.TTL, c.Before.Data)
			if err != nil {
				return nil, err
			}
			e.was = &held{RRset: before, raw: before.Data}
		}
		if c.After != nil {
			after, err := plan.New(c.After.Name, c.After.Type, a.taken(c.After.TTL), c.After.Data)
			if err != nil {
				return nil, err
			}
			if len(after.Data) == 0 {
				return nil, fmt.Errorf("%s: an RRset without records; to delete it there is After nil", c.Set().Name+" "+c.Set().Type)
			}
			e.to = &after
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// commit writes edits in order, without those that change nothing, unless one
// is to what must not be changed.
func (a account) commit(ctx context.Context, zone string, edits []edit) error {
	edits = slices.DeleteFunc(slices.Clone(edits), func(e edit) bool {
		return e.was != nil && e.to != nil && e.was.foreign == "" && same(e.was.RRset, *e.to)
	})
	for _, e := range edits {
		if e.was != nil && e.was.foreign != "" {
			return Foreign{e.was.Name, e.was.foreign}
		}
	}
	if len(edits) == 0 {
		return nil
	}
	return a.write(ctx, zone, sequence(edits))
}

// fewNames are so few that each is read by itself rather than the whole zone.
const fewNames = 4

// A found is what was read of some names.
type found []held

// look reads what is at names, and all of the zone for nil or where that is
// cheaper.
func (a account) look(ctx context.Context, zone string, names []string) (found, error) {
	owners := map[string]bool{}
	for _, name := range names {
		owners[strings.ToLower(name)] = true
	}
	if names == nil || a.whole || len(owners) > fewNames {
		return a.read(ctx, zone, "")
	}
	var all found
	for name := range owners {
		sets, err := a.read(ctx, zone, name)
		if err != nil {
			return nil, err
		}
		for _, set := range sets {
			if set.Name == name {
				all = append(all, set)
			}
		}
	}
	return all, nil
}

// find returns the RRset of a name and type, or nil.
func (f found) find(name, kind string) *held {
	for i := range f {
		if f[i].Name == name && f[i].Type == kind {
			return &f[i]
		}
	}
	return nil
}

// taken returns the TTL, in seconds, that the provider takes for ttl.
func (a account) taken(ttl uint32) uint32 {
	if ttl == 0 {
		ttl = defaultTTL
	}
	return max(ttl, uint32(a.Abilities().MinTTL/time.Second))
}
