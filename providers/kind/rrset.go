package kind

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/providers/plan"
)

// A slot is where an RRset stands: an owner, fully qualified and lower case,
// and a type's mnemonic.
type slot struct{ name, typ string }

// String is the slot as people write it: "www.example.com. A".
func (s slot) String() string { return s.name + " " + s.typ }

// slotOf returns where c happens.
func slotOf(c plan.Change) slot {
	if c.After != nil {
		return slot{c.After.Name, c.After.Type}
	}
	return slot{c.Before.Name, c.Before.Type}
}

// content is what a zone holds, by slot.
type content map[slot]plan.RRset

// contentOf gathers sets, which may be single records, into the RRsets they
// make: RDATA canonical, sorted, none twice; the lowest TTL is the set's
// (RFC 2181 §5.2).
func contentOf(sets []plan.RRset) (content, error) {
	c := content{}
	for _, s := range sets {
		s, err := canonical(s)
		if err != nil {
			return nil, err
		}
		at := slot{s.Name, s.Type}
		if was, ok := c[at]; ok {
			s.TTL = min(s.TTL, was.TTL)
			s.Data = slices.Concat(was.Data, s.Data)
		}
		slices.Sort(s.Data)
		s.Data = slices.Compact(s.Data)
		c[at] = s
	}
	return c, nil
}

// sorted returns c's RRsets by name and type.
func (c content) sorted() []plan.RRset {
	sets := make([]plan.RRset, 0, len(c))
	for _, s := range c {
		sets = append(sets, s)
	}
	slices.SortFunc(sets, func(a, b plan.RRset) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
	})
	return sets
}

// expect returns an error that wraps ErrStale unless each change's Before is
// what c holds.
func (c content) expect(changes []plan.Change) error {
	for _, change := range changes {
		at := slotOf(change)
		have, ok := c[at]
		switch {
		case change.Before == nil && ok:
			return fmt.Errorf("%w: %s is there, and was not expected", ErrStale, at)
		case change.Before != nil && !ok:
			return fmt.Errorf("%w: %s is gone", ErrStale, at)
		case change.Before != nil:
			want, err := canonical(*change.Before)
			if err != nil {
				return err
			}
			if !same(have, want) {
				return fmt.Errorf("%w: %s is %s with TTL %d", ErrStale, at, strings.Join(have.Data, ", "), have.TTL)
			}
		}
	}
	return nil
}

// same reports whether a and b, both canonical and of one slot, are equal.
func same(a, b plan.RRset) bool { return a.TTL == b.TTL && slices.Equal(a.Data, b.Data) }

// canonical returns s with its name in lower case and its RDATA in the one form
// in which equal data are equal text.
func canonical(s plan.RRset) (plan.RRset, error) {
	s.Name = strings.ToLower(s.Name)
	data := make([]string, len(s.Data))
	for i, d := range s.Data {
		var err error
		if data[i], err = canonicalData(s.Type, d); err != nil {
			return s, fmt.Errorf("%s %s: %w", s.Name, s.Type, err)
		}
	}
	slices.Sort(data)
	s.Data = slices.Compact(data)
	return s, nil
}

// canonicalData returns RDATA in the form in which equal data are equal text:
// as miekg/dns prints it, host names in lower case, and TXT as strings of 255
// octets of which only the last is shorter.
func canonicalData(typ, data string) (string, error) {
	if typ == "TXT" {
		text, err := unquote(data)
		if err != nil {
			return "", err
		}
		return quote(text), nil
	}
	rr, err := dns.NewRR(". 0 IN " + typ + " " + data)
	if err != nil || rr == nil {
		return "", fmt.Errorf("%q is no data of type %s", data, typ)
	}
	out := strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String()))
	switch typ {
	case "CNAME", "DNAME", "NS", "PTR", "MX", "SRV":
		out = strings.ToLower(out)
	}
	return out, nil
}

// quote returns text as the RDATA of a TXT record: quoted strings of up to 255
// octets, what is not printable ASCII as \DDD (RFC 1035 §5.1).
func quote(text string) string {
	var b strings.Builder
	for first := true; first || text != ""; first = false {
		n := min(len(text), 255)
		if !first {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for _, o := range []byte(text[:n]) {
			switch {
			case o == '"' || o == '\\':
				b.WriteByte('\\')
				b.WriteByte(o)
			case o < ' ' || o > '~':
				fmt.Fprintf(&b, "\\%03d", o)
			default:
				b.WriteByte(o)
			}
		}
		b.WriteByte('"')
		text = text[n:]
	}
	return b.String()
}

// unquote returns the octets of a TXT record's RDATA, its strings joined. A
// string without quotes ends at a space.
func unquote(data string) (string, error) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(data); i++ {
		switch o := data[i]; {
		case o == '"':
			quoted = !quoted
		case o == '\\' && i+3 < len(data) && digits(data[i+1:i+4]):
			n, _ := strconv.Atoi(data[i+1 : i+4])
			if n > 255 {
				return "", fmt.Errorf("\\%d in %q is no octet", n, data)
			}
			b.WriteByte(byte(n))
			i += 3
		case o == '\\' && i+1 < len(data):
			i++
			b.WriteByte(data[i])
		case o == '\\':
			return "", fmt.Errorf("%q ends within an escape", data)
		case !quoted && (o == ' ' || o == '\t'):
		default:
			b.WriteByte(o)
		}
	}
	if quoted {
		return "", fmt.Errorf("%q ends within a quoted string", data)
	}
	return b.String(), nil
}

// digits reports whether s is made of decimal digits.
func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// relative returns name, fully qualified, as its zone's records have it: "@" at
// the apex.
func relative(name, zone string) string { return libdns.RelativeName(name, zone) }

// absolute is relative's inverse; "" is the apex, too.
func absolute(name, zone string) string {
	return strings.ToLower(libdns.AbsoluteName(name, zone))
}

// records returns sets as libdns has them, each record of its type's own
// struct where libdns has one that can hold it.
func records(zone string, sets []plan.RRset) []libdns.Record {
	var out []libdns.Record
	for _, s := range sets {
		for _, d := range s.Data {
			rr := libdns.RR{Name: relative(s.Name, zone), Type: s.Type, TTL: time.Duration(s.TTL) * time.Second, Data: d}
			if s.Type == "TXT" {
				rr.Data, _ = unquote(d) // canonical, so it can be read
			}
			rec, err := rr.Parse()
			if err != nil {
				rec = rr
			}
			out = append(out, rec)
		}
	}
	return out
}

// rrset returns rec as an RRset of one record.
func rrset(zone string, rec libdns.Record) (plan.RRset, error) {
	rr := rec.RR()
	s := plan.RRset{Name: absolute(rr.Name, zone), Type: strings.ToUpper(rr.Type), TTL: uint32(rr.TTL / time.Second)}
	if rr.Type == "TXT" {
		s.Data = []string{quote(rr.Data)}
		return s, nil
	}
	s.Data = []string{rr.Data}
	return canonical(s)
}
