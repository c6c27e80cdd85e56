package kind

import (
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// defaultTTL, in seconds, is what a record gets that comes with none.
const defaultTTL = 300

// A slot is where an RRset stands: an owner, fully qualified and lower case,
// and a type's mnemonic.
type slot struct{ name, typ string }

// same reports whether a and b, both canonical and of one slot, are equal.
func same(a, b plan.RRset) bool {
	if a.TTL != b.TTL || len(a.Data) != len(b.Data) {
		return false
	}
	for i := range a.Data {
		if a.Data[i] != b.Data[i] {
			return false
		}
	}
	return true
}

// zoneName returns zone as the adapters have it: lower case, with the final dot.
func zoneName(zone string) string { return strings.ToLower(strings.TrimSuffix(zone, ".")) + "." }

// dotless returns name without its final dot, as most APIs write it.
func dotless(name string) string { return strings.TrimSuffix(name, ".") }

// relative returns a fully qualified name relative to zone: apex at the apex.
func relative(name, zone, apex string) string {
	if rel := Relative(name, zone); rel != "@" {
		return rel
	}
	return apex
}

// absolute is relative's inverse; "" and "@" are the apex.
func absolute(name, zone string) string { return Absolute(name, zone) }

// split parts was's data into what recs name and what they do not. A record's
// empty type, TTL or data stand for any.
func split(zone string, was plan.RRset, recs []libdns.Record) (gone, kept []string, err error) {
	for _, d := range was.Data {
		hit := false
		for _, rec := range recs {
			if hit, err = names(zone, rec.RR(), was, d); hit || err != nil {
				break
			}
		}
		switch {
		case err != nil:
			return nil, nil, err
		case hit:
			gone = append(gone, d)
		default:
			kept = append(kept, d)
		}
	}
	return gone, kept, nil
}

// names reports whether rr names the record of set that has data.
func names(zone string, rr libdns.RR, set plan.RRset, data string) (bool, error) {
	if Absolute(rr.Name, zone) != set.Name || rr.Type != "" && rr.Type != set.Type {
		return false, nil
	}
	if rr.TTL != 0 && uint32(rr.TTL/time.Second) != set.TTL {
		return false, nil
	}
	if rr.Data == "" {
		return true, nil
	}
	named, err := plan.Canonical(set.Type, spelled(set.Type, rr.Data))
	return named == data, err
}
