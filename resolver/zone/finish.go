package zone

import (
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// finish gives the zone in the table its services and returns it. Nil: there
// is some problem, which this way cannot name.
func (r *reader) finish(z config.Zone, node string) *Zone {
	if z.File == "" {
		r.b.sortRecords()
		r.t.take(r.b, r.checkNode, 1)
	}
	if len(r.problems) > 0 || r.stopped {
		return nil
	}
	r.b.reset()
	r.addServices(z)
	r.t.take(r.b, func([]record) {}, 1)
	r.t.mend()
	if len(r.problems) > 0 || !r.t.sound(r.b, z) {
		return nil
	}
	r.t.fit(r.cut.chunks)
	r.t.seal(r.b)
	r.t.z.plan = r.t.plan(z, node, r.cut)
	return r.t.z
}

// sound reports whether the apex has what it must have, and whether each
// service, of which b holds the names, can answer where it stands.
func (t *table) sound(b *builder, z config.Zone) bool {
	apex, _ := t.lookup(hashName(t.z.origin), t.z.origin)
	soa, _ := t.z.get(&t.z.nodes[apex], dns.TypeSOA)
	if _, ok := t.z.get(&t.z.nodes[apex], dns.TypeNS); !ok || soa.count != 1 {
		return false
	}
	for i := range b.drafts {
		if d := &b.drafts[i]; d.group > 0 && !t.serves(&t.z.nodes[t.at[i]-1], b.kinds.groups[d.group-1]) {
			return false
		}
	}
	return true
}

// serves reports whether a service of n's group can answer at n.
func (t *table) serves(n *node, s config.Service) bool {
	if !t.z.owns(n) {
		return false
	}
	for set := range t.z.each(n) {
		if contradicts(s, set.typ) {
			return false
		}
	}
	return true
}

// seal completes the zone.
func (t *table) seal(b *builder) {
	t.z.groups = b.kinds.groups
	t.z.sealSOA()
}

// plan returns what a zone knows of its file. Cut is nil where it knows
// nothing of it.
func (t *table) plan(z config.Zone, node string, cut *cutter) *plan {
	p := &plan{
		config: z, node: node, made: new(mark), kids: t.kids,
		used: t.used, tombs: t.tombs, wasted: t.wasted, names: t.names, tail: new(atomic.Int64),
	}
	p.tail.Store(int64(len(t.z.arena)))
	if cut == nil || cut.broken || len(cut.chunks) == 0 {
		return p
	}
	slices.SortFunc(t.shared, compareShares)
	p.size, p.seed, p.chunks, p.end, p.nextID = cut.size, cut.seed, cut.chunks, cut.after, cut.nextID
	p.shared = slices.Clip(slices.Compact(t.shared))
	return p
}
