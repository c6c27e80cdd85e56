package zone

import "slices"

// Gone returns the owner names with static records that s has and next has
// not, sorted, and how many such names s has. A name that merely moved to
// another zone is not gone.
func (s *Set) Gone(next *Set) (gone []string, of int) {
	var sx suffixes
	for _, z := range s.zones {
		for i := range z.nodes {
			n := &z.nodes[i]
			if n.at == 0 || n.sets == 0 {
				continue
			}
			of++
			wire := z.arena[n.at:]
			wire = wire[:nameLen(wire)]
			sx.split(wire)
			if zi := next.zoneOf(&sx, 0); zi >= 0 {
				if there := next.zones[zi].find(sx.hash[0], wire); there != nil && there.sets > 0 {
					continue
				}
			}
			gone = append(gone, presentation(wire))
		}
	}
	slices.Sort(gone)
	return gone, of
}
