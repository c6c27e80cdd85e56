package resolver

import "github.com/shunt-dns/shunt/resolver/zone"

// steeredSlots bounds what is counted apart: pairs of service and pool.
const steeredSlots = 4096

// A view is a snapshot in service, with the counters its steered answers go
// to. It is immutable.
type view struct {
	snapshot *zone.Snapshot
	far      bool       // the zones are beyond the caches
	groups   [][]uint16 // slot of each group's variants
	from     []*zone.Variant
}

// slots hand out one counter to each pair of service and pool, for the life of
// the process. The last one is shared by all that come too late.
type slots struct {
	byName map[SteeredCount]uint16
	names  []SteeredCount
}

// of returns the counter of one pair.
func (s *slots) of(service, pool string) uint16 {
	k := SteeredCount{Service: service, Pool: pool}
	if i, ok := s.byName[k]; ok {
		return i
	}
	switch len(s.names) {
	case steeredSlots:
		return steeredSlots - 1
	case steeredSlots - 1:
		k = SteeredCount{Service: "other", Pool: "other"}
	}
	i := uint16(len(s.names))
	s.byName[k] = i
	s.names = append(s.names, k)
	return i
}

// newView finds the counters of every variant of s. Groups whose variants did
// not change since old keep theirs, so that a flip costs what it touches.
func (sl *slots) newView(s *zone.Snapshot, old *view) *view {
	v := &view{snapshot: s}
	if s == nil {
		return v
	}
	set := s.Set()
	groups := set.Groups()
	v.far = set.Far()
	same := old != nil && old.snapshot != nil && old.snapshot.Set() == set
	v.groups = make([][]uint16, len(groups))
	v.from = make([]*zone.Variant, len(groups))
	for i := range groups {
		variants := s.Variants(int32(i))
		if len(variants) == 0 {
			continue
		}
		v.from[i] = &variants[0]
		if same && old.from[i] == v.from[i] && len(old.groups[i]) == len(variants) {
			v.groups[i] = old.groups[i]
			continue
		}
		v.groups[i] = make([]uint16, len(variants))
		for j := range variants {
			v.groups[i][j] = sl.of(groups[i].Name, variants[j].Pool)
		}
	}
	return v
}
