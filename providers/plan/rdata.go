package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// New returns the RRset of name (fully qualified) with these RDATA in
// presentation format, in which names are fully qualified. The error says
// which of them cannot be read.
func New(name, typ string, ttl uint32, data []string) (RRset, error) {
	s := RRset{Name: dns.CanonicalName(name), Type: strings.ToUpper(typ), TTL: ttl, Data: make([]string, 0, len(data))}
	for _, d := range data {
		canonical, err := Canonical(s.Type, d)
		if err != nil {
			return RRset{}, fmt.Errorf("%s %s: %w", name, typ, err)
		}
		s.Data = append(s.Data, canonical)
	}
	slices.Sort(s.Data)
	s.Data = slices.Compact(s.Data)
	return s, nil
}

// Of returns records of one name and type as an RRset. There must be one at
// least; the TTL is that of the first.
func Of(records []dns.RR) (RRset, error) {
	h := records[0].Header()
	data := make([]string, len(records))
	for i, rr := range records {
		data[i] = text(rr)
	}
	return New(h.Name, dns.Type(h.Rrtype).String(), h.Ttl, data)
}

// text returns the RDATA of rr in presentation format.
func text(rr dns.RR) string {
	switch rr := rr.(type) { // nearly all of them
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	case *dns.CNAME:
		return rr.Target
	case *dns.RFC3597:
		return fmt.Sprintf("\\# %d %s", len(rr.Rdata)/2, rr.Rdata)
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// Canonical returns RDATA, given in presentation format with fully qualified
// names, in the one way in which equal RDATA are written here: read into wire
// format and written from it, names in lower case (RFC 4034 §6.2), parameters
// of SVCB and HTTPS in order (RFC 9460 §2.2). The character-strings of a TXT
// are one text in pieces of 255 octets: providers cut them as they like.
//
// Type ALIAS is a name that the provider resolves.
func Canonical(typ, data string) (string, error) {
	switch typ {
	case "A", "AAAA":
		return address(typ, strings.TrimSpace(data))
	case "CNAME", "NS", "PTR", "DNAME", "ALIAS":
		return hostname(strings.TrimSpace(data))
	case "TXT", "SPF":
		raw, err := TXT(data)
		return Quote(raw), err
	}
	rr, err := dns.NewRR(". 0 IN " + typ + " " + data)
	if err != nil {
		return "", fmt.Errorf("%q cannot be read: %w", data, err)
	}
	if rr == nil {
		return "", fmt.Errorf("%q holds no record", data)
	}
	if rr, err = packed(rr); err != nil {
		return "", fmt.Errorf("%q cannot be written: %w", data, err)
	}
	lower(rr)
	return text(rr), nil
}

// packed returns rr as it is once it has gone over the wire.
func packed(rr dns.RR) (dns.RR, error) {
	buf := make([]byte, dns.MaxMsgSize)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	rr, _, err = dns.UnpackRR(buf[:n], 0)
	return rr, err
}

// lower writes the names in rr's RDATA in lower case.
func lower(rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.MX:
		rr.Mx = dns.CanonicalName(rr.Mx)
	case *dns.SRV:
		rr.Target = dns.CanonicalName(rr.Target)
	case *dns.SOA:
		rr.Ns, rr.Mbox = dns.CanonicalName(rr.Ns), dns.CanonicalName(rr.Mbox)
	case *dns.NAPTR:
		rr.Replacement = dns.CanonicalName(rr.Replacement)
	case *dns.HTTPS:
		rr.Target = dns.CanonicalName(rr.Target)
	case *dns.SVCB:
		rr.Target = dns.CanonicalName(rr.Target)
	}
}

func address(typ, data string) (string, error) {
	addr, err := netip.ParseAddr(data)
	if err != nil || addr.Zone() != "" {
		return "", fmt.Errorf("%q is no address", data)
	}
	if typ == "A" && !addr.Is4() || typ == "AAAA" && addr.Is4() {
		return "", fmt.Errorf("%q is no address of type %s", data, typ)
	}
	return addr.String(), nil
}

func hostname(data string) (string, error) {
	if plainName(data) {
		return data, nil
	}
	if !dns.IsFqdn(data) {
		return "", fmt.Errorf("%q is not fully qualified", data)
	}
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(data, buf, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("%q is no name: %w", data, err)
	}
	name, _, err := dns.UnpackDomainName(buf[:n], 0)
	if err != nil {
		return "", fmt.Errorf("%q is no name: %w", data, err)
	}
	return dns.CanonicalName(name), nil
}

// plainName reports whether data is a fully qualified name of lower-case
// letters, digits, hyphens and underscores: its own canonical form.
func plainName(data string) bool {
	label := 0
	for i := range len(data) {
		c := data[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label == 0 && len(data) > 1 && len(data) < 255
}

// maxString is what one character-string can hold (RFC 1035 §3.3).
const maxString = 255

// TXT returns the text of a TXT record's RDATA in presentation format: its
// character-strings joined, with nothing escaped. What does not begin with a
// quote is a text without spaces, as zone files allow it.
func TXT(data string) (string, error) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\':
			octet, n, ok := unescape(data[i+1:])
			if !ok {
				return "", fmt.Errorf("%q ends inside an escape", data)
			}
			b.WriteByte(octet)
			i += n
		case !quoted && (c == ' ' || c == '\t'):
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", fmt.Errorf("%q has a quote that is not closed", data)
	}
	return b.String(), nil
}

// unescape reads what follows a backslash: three digits, or an octet.
func unescape(s string) (octet byte, length int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	if s[0] < '0' || s[0] > '9' {
		return s[0], 1, true
	}
	if len(s) < 3 {
		return 0, 0, false
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		n = 10*n + int(c-'0')
	}
	return byte(n), 3, n < 256
}

// Quote returns the RDATA of a TXT record that says text, in presentation
// format: pieces of at most 255 octets, each in quotes.
func Quote(text string) string {
	var b strings.Builder
	for first := true; first || text != ""; first = false {
		if !first {
			b.WriteByte(' ')
		}
		piece := text[:min(len(text), maxString)]
		text = text[len(piece):]
		b.WriteByte('"')
		for _, c := range []byte(piece) {
			switch {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, "\\%03d", c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}
