package resolver

import "github.com/shunt-dns/shunt/resolver/zone"

// A view is a snapshot in service, with the counters its steered answers go
// to. It is immutable.
type view struct {
	snapshot *zone.Snapshot
	far      bool       // the zones are beyond the caches
	groups   [][]uint32 // slot of each group's variants
	from     []*zone.Variant
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
	if !same {
		sl.retire(groups)
	}
	v.groups = make([][]uint32, len(groups))
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
		v.groups[i] = make([]uint32, len(variants))
		for j := range variants {
			v.groups[i][j] = sl.of(pair{groups[i].Name, variants[j].Pool})
		}
	}
	return v
}
