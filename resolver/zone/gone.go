package zone

import "slices"

// Gone returns the owner names with static records that s has and next has
// not, sorted, and how many such names s has. A name that merely moved to
// another zone is not gone. Of a zone that next has as it was, or changed by
// an edit, it costs nothing to know.
func (s *Set) Gone(next *Set) (gone []string, of int) {
	heirs := s.heirs(next)
	for i, z := range s.zones {
		of += z.owners
		switch heir := heirs[i]; {
		case heir == nil:
			gone = z.gone(next, gone)
		case heir.plan.made == z.plan.made:
		default:
			for _, name := range heir.plan.lost {
				gone = append(gone, presentation(name))
			}
		}
	}
	slices.Sort(gone)
	return gone, of
}

// heirs returns, for each zone of s, the one of next that is the same or is
// its next version; nil where there is none. A name may move from one zone to
// another only where the two sets do not have the same origins: then there
// are none.
func (s *Set) heirs(next *Set) []*Zone {
	heirs := make([]*Zone, len(s.zones))
	if len(s.zones) != len(next.zones) {
		return heirs
	}
	byName := make(map[string]*Zone, len(next.zones))
	for _, z := range next.zones {
		byName[z.name] = z
	}
	for i, z := range s.zones {
		heir := byName[z.name]
		if heir == nil {
			return make([]*Zone, len(s.zones))
		}
		if z.plan != nil && heir.plan != nil && (heir.plan.made == z.plan.made || heir.plan.from == z.plan.made) {
			heirs[i] = heir
		}
	}
	return heirs
}

// gone adds the names with records of z that next has not.
func (z *Zone) gone(next *Set, gone []string) []string {
	var sx suffixes
	for i := range z.nodes {
		n := &z.nodes[i]
		if n.sets == 0 {
			continue
		}
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
	return gone
}
