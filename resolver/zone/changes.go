package zone

import (
	"bytes"
	"iter"
	"slices"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// Changes yields what Contents of zone i has otherwise than it had in before: each
// RRset as it was and as it is. What was not there, or is not, has no Records.
// The SOA is left out. It costs as much as the zone has names, and little
// where only answers of services differ.
func (s *Snapshot) Changes(before *Snapshot, i int32, c config.Content) iter.Seq2[RRset, RRset] {
	return func(yield func(was, is RRset) bool) {
		z, from := s.set.zones[i], before.index(s.set.zones[i])
		if from < 0 {
			for set := range s.Contents(i, c) {
				if set.Type != dns.TypeSOA && !yield(RRset{}, set) {
					return
				}
			}
			return
		}
		old := before.set.zones[from]
		d := differ{was: before, is: s, from: from, to: i, c: c, yield: yield}
		if same := &old.nodes[0] == &z.nodes[0]; same {
			d.moved()
			return
		}
		d.all()
	}
}

// index returns where s has a zone of z's name; -1: nowhere.
func (s *Snapshot) index(z *Zone) int32 {
	var sx suffixes
	sx.split(z.origin)
	if i := s.set.zoneOf(&sx, 0); i >= 0 && s.set.zones[i].labels == z.labels {
		return i
	}
	return -1
}

// A differ compares two contents of one zone.
type differ struct {
	was, is  *Snapshot
	from, to int32 // the zone in each of them
	c        config.Content
	yield    func(was, is RRset) bool
}

// moved yields what differs in the answers of services, between snapshots of
// the same zone.
func (d *differ) moved() {
	z := d.is.set.zones[d.to]
	moved := make([]bool, len(z.groups)+1)
	some := false
	for g := range z.groups {
		was, is := d.was.groupContent(d.from, g, d.c), d.is.groupContent(d.to, g, d.c)
		moved[g+1] = was.plain != is.plain || was.apex != is.apex
		some = some || moved[g+1]
	}
	for at := 0; some && at < len(z.nodes); at++ {
		if n := &z.nodes[at]; n.at > tomb && moved[n.group] && !d.pair(z, n, d.was.steeredSets(d.from, n, d.c), d.is.steeredSets(d.to, n, d.c)) {
			return
		}
	}
}

// all yields what differs between two versions of a zone.
func (d *differ) all() {
	old, z := d.was.set.zones[d.from], d.is.set.zones[d.to]
	for at := range old.nodes {
		n := &old.nodes[at]
		if n.at <= tomb {
			continue
		}
		var now []rrset
		if other := z.same(old, n); other != nil {
			now = d.is.nodeSets(d.to, other, d.c)
		}
		if !d.pair(old, n, d.was.nodeSets(d.from, n, d.c), now) {
			return
		}
	}
	for at := range z.nodes {
		n := &z.nodes[at]
		if n.at > tomb && old.same(z, n) == nil && !d.pair(z, n, nil, d.is.nodeSets(d.to, n, d.c)) {
			return
		}
	}
}

// pair yields what differs between the RRsets of n, which is of z.
func (d *differ) pair(z *Zone, n *node, was, is []rrset) bool {
	for _, set := range was {
		at := slices.IndexFunc(is, func(s rrset) bool { return s.typ == set.typ })
		switch {
		case at < 0:
			if !d.yield(z.rrset(n, set), RRset{}) {
				return false
			}
		case !bytes.Equal(is[at].body, set.body) && sumOf(is[at]) != sumOf(set):
			if !d.yield(z.rrset(n, set), z.rrset(n, is[at])) {
				return false
			}
		}
	}
	for _, set := range is {
		if !slices.ContainsFunc(was, func(s rrset) bool { return s.typ == set.typ }) && !d.yield(RRset{}, z.rrset(n, set)) {
			return false
		}
	}
	return true
}

// same returns the node of z that has the name of n, which is of other.
func (z *Zone) same(other *Zone, n *node) *node {
	owner := other.arena[n.at:]
	name := owner[:nameLen(owner)]
	return z.find(hashName(name), name)
}

// nodeSets returns all RRsets of n but the SOA.
func (s *Snapshot) nodeSets(i int32, n *node, c config.Content) (sets []rrset) {
	for set := range s.set.zones[i].each(n) {
		if set.typ != dns.TypeSOA {
			sets = append(sets, set)
		}
	}
	return append(sets, s.steeredSets(i, n, c)...)
}
