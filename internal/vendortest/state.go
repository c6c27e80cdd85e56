package vendortest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A State is all zones of an account.
type State struct {
	Zones []*Zone
	next  int
}

// A Zone is one zone of an account.
type Zone struct {
	Origin  string // fully qualified, lower case
	ID      string
	Records []Record
	Changes int  // how many times Touch was called: a vendor's serial or change id
	Private bool // not for the public
	Pending bool // records are not yet what the name servers answer with: for vendors with a publish step
}

// A Record is one record, however the vendor groups them.
type Record struct {
	ID   string
	Name string // fully qualified, lower case
	Type string
	TTL  uint32 // seconds
	Data string // as the vendor's API writes it
	Note string // what the vendor holds beside it, as "proxied"
	Tag  string // entity tag
}

// NewID returns an id that no record or zone of the state has.
func (s *State) NewID() string {
	s.next++
	return fmt.Sprintf("%08d", s.next)
}

// Zone returns the zone of origin, with or without the final dot, or nil.
func (s *State) Zone(origin string) *Zone {
	origin = strings.ToLower(strings.TrimSuffix(origin, ".") + ".")
	for _, z := range s.Zones {
		if z.Origin == origin {
			return z
		}
	}
	return nil
}

// ZoneByID returns the zone with the id, or nil.
func (s *State) ZoneByID(id string) *Zone {
	for _, z := range s.Zones {
		if z.ID == id {
			return z
		}
	}
	return nil
}

// Load makes the zone of origin, if it is not there, and adds lines to it, as
// "www.example.test. 300 A 192.0.2.1; note". It panics on any other line.
func (s *State) Load(origin string, lines ...string) {
	z := s.Zone(origin)
	if z == nil {
		z = &Zone{Origin: strings.ToLower(origin), ID: s.NewID()}
		s.Zones = append(s.Zones, z)
	}
	for _, line := range lines {
		line, note, _ := strings.Cut(line, "; ")
		f := strings.SplitN(line, " ", 4)
		if len(f) != 4 {
			panic("vendortest: no record: " + line)
		}
		ttl, err := strconv.ParseUint(f[1], 10, 31)
		if err != nil {
			panic("vendortest: no TTL: " + line)
		}
		z.Records = append(z.Records, Record{ID: s.NewID(), Tag: s.NewID(), Name: strings.ToLower(f[0]), Type: f[2], TTL: uint32(ttl), Data: f[3], Note: note})
	}
}

// Lines returns the records of a zone, sorted; nil without such a zone.
func (s *State) Lines(origin string) []string {
	z := s.Zone(origin)
	if z == nil {
		return nil
	}
	lines := []string{}
	for _, r := range z.Records {
		line := fmt.Sprintf("%s %d %s %s", r.Name, r.TTL, r.Type, r.Data)
		if r.Note != "" {
			line += "; " + r.Note
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// Set returns the records of one name and type.
func (z *Zone) Set(name, typ string) []Record {
	var set []Record
	for _, r := range z.Records {
		if r.Name == name && r.Type == typ {
			set = append(set, r)
		}
	}
	return set
}

// Find returns the record with the id, to be changed in place, or nil.
func (z *Zone) Find(id string) *Record {
	for i := range z.Records {
		if z.Records[i].ID == id {
			return &z.Records[i]
		}
	}
	return nil
}

// Drop takes away the records that gone is true of, and returns how many.
func (z *Zone) Drop(gone func(Record) bool) int {
	n := len(z.Records)
	z.Records = slices.DeleteFunc(z.Records, gone)
	return n - len(z.Records)
}

// Clashes reports whether a record of typ cannot stand at name because of a
// CNAME rule (RFC 1034 §3.6.2).
func (z *Zone) Clashes(name, typ string) bool {
	for _, r := range z.Records {
		if r.Name == name && r.Type != typ && (r.Type == "CNAME" || typ == "CNAME") {
			return true
		}
	}
	return false
}

// Touch counts a change of the zone.
func (z *Zone) Touch() { z.Changes++ }

// Relative returns name without the zone's origin, and apex for the origin.
func (z *Zone) Relative(name, apex string) string {
	if name == z.Origin {
		return apex
	}
	return strings.TrimSuffix(name, "."+z.Origin)
}

// Absolute returns the fully qualified name of a relative one; "", "@" and the
// origin itself are the apex.
func (z *Zone) Absolute(name string) string {
	name = strings.ToLower(name)
	if name == "" || name == "@" || name+"." == z.Origin || name == z.Origin {
		return z.Origin
	}
	return name + "." + z.Origin
}

// Paged returns a page of items from index from, and the index of the next
// page, 0 after the last.
func Paged[T any](items []T, from int) (page []T, next int) {
	if from < 0 || from >= len(items) {
		return nil, 0
	}
	end := min(from+Page, len(items))
	if end == len(items) {
		return items[from:], 0
	}
	return items[from:end], end
}

// clone returns a state of its own.
func (s *State) clone() *State {
	c := &State{next: s.next}
	for _, z := range s.Zones {
		copied := *z
		copied.Records = slices.Clone(z.Records)
		c.Zones = append(c.Zones, &copied)
	}
	return c
}

// clamp raises TTLs to floor.
func (s *State) clamp(floor uint32) {
	for _, z := range s.Zones {
		for i := range z.Records {
			z.Records[i].TTL = max(z.Records[i].TTL, floor)
		}
	}
}
