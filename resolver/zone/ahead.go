package zone

// near is up to how many nodes, in all zones, the caches close to a core may
// hold with their records: at 50 to 100 octets each, some megabytes.
const near = 1 << 16

// Far reports whether the zones of s are so large that looking ahead pays: the
// memory that an answer is made of is likely to be in no cache.
func (s *Set) Far() bool {
	nodes := 0
	for _, z := range s.zones {
		nodes += len(z.nodes)
	}
	return nodes > near
}

// A Place is where the search for a name begins. With several questions at
// hand, their places are found first, then all touched and then all fetched:
// the processor waits for many memories in the time of one. It answers nothing
// and may be wrong. A Place is of use with the snapshot that it came from.
type Place struct {
	zone *Zone // nil: nowhere
	slot int
	tag  uint32
}

// Place returns the place of name, which may be empty.
func (s *Snapshot) Place(name *Name) Place {
	if name.size == 0 {
		return Place{}
	}
	zi := s.set.zoneOf(&name.suffixes, 0)
	if zi < 0 {
		return Place{}
	}
	z := s.set.zones[zi]
	return Place{zone: z, slot: slot(name.hash[0], len(z.nodes)), tag: uint32(name.hash[0])}
}

// Touch has the processor get the node at p. What it returns means nothing,
// but must be used, or the compiler leaves the work out.
func (p *Place) Touch() uint32 {
	if p.zone == nil {
		return 0
	}
	return p.zone.nodes[p.slot].tag
}

// Fetch has the processor get the records of the node at p, or of one of those
// behind it. What it returns means as little as with Touch.
func (p *Place) Fetch() uint32 {
	if p.zone == nil {
		return 0
	}
	for i := p.slot; i < len(p.zone.nodes); i++ {
		n := &p.zone.nodes[i]
		if n.at == 0 {
			break
		}
		if n.tag == p.tag {
			return uint32(p.zone.arena[n.at])
		}
	}
	return 0
}
