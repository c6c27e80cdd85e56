package kind

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// RRsets returns the records of zone as RRsets in canonical form, sorted by
// name and type. A target without a final dot is taken as fully qualified. Of
// records with several TTLs the lowest counts (RFC 2181 §5.2). The error says
// which record cannot be read.
func RRsets(zone string, records []libdns.Record) ([]plan.RRset, error) {
	type key struct{ name, typ string }
	index := make(map[key]int, len(records))
	var out []plan.RRset
	for _, r := range records {
		rr := r.RR()
		k := key{Absolute(rr.Name, zone), strings.ToUpper(rr.Type)}
		data, err := plan.Canonical(k.typ, spelled(k.typ, rr.Data))
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", k.name, k.typ, err)
		}
		ttl := uint32(rr.TTL / time.Second)
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, plan.RRset{Name: k.name, Type: k.typ, TTL: ttl})
		}
		out[i].TTL = min(out[i].TTL, ttl)
		out[i].Data = append(out[i].Data, data)
	}
	for i := range out {
		slices.Sort(out[i].Data)
		out[i].Data = slices.Compact(out[i].Data)
	}
	slices.SortFunc(out, func(a, b plan.RRset) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Type, b.Type)
	})
	return out, nil
}

// spelled returns data, as libdns has it, in the presentation format of
// zone files: libdns leaves out quotes and escapes of TXT, and some providers
// the final dot of a target.
func spelled(typ, data string) string {
	switch typ {
	case "TXT", "SPF":
		return plan.Quote(data)
	case "CNAME", "NS", "PTR", "DNAME", "ALIAS":
		return dns.Fqdn(data)
	case "MX", "SRV", "HTTPS", "SVCB":
		at := map[string]int{"MX": 1, "SRV": 3, "HTTPS": 1, "SVCB": 1}[typ]
		if fields := strings.Fields(data); len(fields) > at && !dns.IsFqdn(fields[at]) {
			fields[at] += "."
			return strings.Join(fields, " ")
		}
	}
	return data
}

// Records returns s as libdns has it, a value of the type that libdns has for
// it where it can be one.
func Records(zone string, s plan.RRset) []libdns.Record {
	out := make([]libdns.Record, len(s.Data))
	for i, data := range s.Data {
		if s.Type == "TXT" || s.Type == "SPF" {
			data, _ = plan.TXT(data) // canonical: it can be read
		}
		rr := libdns.RR{Name: Relative(s.Name, zone), TTL: time.Duration(s.TTL) * time.Second, Type: s.Type, Data: data}
		out[i] = rr
		if r, err := rr.Parse(); err == nil {
			out[i] = r
		}
	}
	return out
}

// Absolute returns the fully qualified, lower-case form of a name that is
// relative to zone; "@" and "" are the zone itself.
func Absolute(name, zone string) string {
	zone = dns.CanonicalName(zone)
	switch {
	case name == "" || name == "@":
		return zone
	case dns.IsFqdn(name):
		return dns.CanonicalName(name)
	case zone == ".":
		return dns.CanonicalName(name)
	}
	return dns.CanonicalName(name + "." + zone)
}

// Relative returns the fully qualified name relative to zone, "@" for the zone
// itself. A name outside of zone stays as it is.
func Relative(name, zone string) string {
	name, zone = dns.CanonicalName(name), dns.CanonicalName(zone)
	switch {
	case name == zone:
		return "@"
	case zone == ".":
		return strings.TrimSuffix(name, ".")
	}
	if rel, ok := strings.CutSuffix(name, "."+zone); ok {
		return rel
	}
	return name
}

// Type returns the number of a record type by its mnemonic or as TYPEnnn, and
// false for one that there is not on the wire, as ALIAS.
func Type(mnemonic string) (uint16, bool) {
	if t, ok := dns.StringToType[mnemonic]; ok {
		return t, true
	}
	var t uint16
	_, err := fmt.Sscanf(mnemonic, "TYPE%d", &t)
	return t, err == nil
}
