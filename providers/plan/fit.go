package plan

import (
	"fmt"
	"slices"
)

// Limits are what a provider's zones can hold, and how it takes changes.
type Limits struct {
	MinTTL uint32   // seconds; no record goes out with less
	TTLs   []uint32 // the only TTLs that are taken, in seconds, ascending; nil: any from MinTTL
	Alias  bool     // the apex can hold a name that the provider resolves
	Types  []string // that can be held beside A, AAAA, CNAME and TXT
}

// Fit returns sets as a zone with these limits can hold them, and says what
// cannot be expressed there, which is left out.
//
//	what                            makes it
//	a TTL below the lowest          the lowest
//	a TTL between two that may be   the longer one
//	a TTL above all that may be     the longest
//	CNAME at the apex, Alias        ALIAS, which the provider resolves
//	CNAME at the apex, otherwise    left out
//	HTTPS, SVCB that are not held   left out: clients go on with addresses (RFC 9460 §3)
func (l Limits) Fit(zone string, sets []RRset) (fit []RRset, left []string) {
	for _, s := range sets {
		s.TTL = l.ttl(s.TTL)
		switch {
		case s.Type == "CNAME" && s.Name == zone && l.Alias:
			s.Type = "ALIAS"
		case s.Type == "CNAME" && s.Name == zone:
			left = append(left, fmt.Sprintf("the apex %s cannot hold a CNAME there (RFC 1034 §3.6.2)", zone))
			continue
		case !slices.Contains(always, s.Type) && !slices.Contains(l.Types, s.Type):
			left = append(left, fmt.Sprintf("%s records of %s cannot be held there", s.Type, s.Name))
			continue
		}
		fit = append(fit, s)
	}
	return fit, left
}

// always are the types that every provider holds.
var always = []string{"A", "AAAA", "CNAME", "TXT"}

// ttl returns the TTL that stands for want.
func (l Limits) ttl(want uint32) uint32 {
	want = max(want, l.MinTTL)
	for _, t := range l.TTLs {
		if t >= want {
			return t
		}
	}
	if n := len(l.TTLs); n > 0 {
		return l.TTLs[n-1]
	}
	return want
}

// steered are the types that a service may have. All others at its name are
// never ours.
var steered = []string{"A", "AAAA", "ALIAS", "CNAME", "HTTPS", "SVCB"}

// answers reports whether a client that asks for addresses gets something from
// sets.
func answers(sets []RRset) bool {
	return slices.ContainsFunc(sets, func(s RRset) bool { return isAnswer(s.Type) && len(s.Data) > 0 })
}

func isAnswer(typ string) bool {
	return typ == "A" || typ == "AAAA" || typ == "CNAME" || typ == "ALIAS"
}
