package zone

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// A Said is an answer in words, for people.
type Said struct {
	Name      string // fully qualified, lower case
	Type      string
	Zone      string   // "" when the name lies in none of ours
	Rcode     string   // as NOERROR
	Records   []string // answer section, a zone-file line each
	Referral  bool     // the name is delegated: Authority names the servers to ask
	Authority []string // of a referral, a zone-file line each
	Group     int32    // as Info.Group
}

// Ask answers a question asked in words: a name, with or without its final
// dot, and a type's mnemonic or TYPEnnn in any case, "" meaning A. Now is in
// seconds since 1970. The error tells what is wrong with the question.
func (s *Snapshot) Ask(name, qtype string, client netip.Addr, now int64) (*Said, error) {
	typ, ok := typeOf(qtype)
	if !ok {
		return nil, fmt.Errorf("%q is not a type that can be asked for (write A, AAAA, MX … or TYPE65280)", qtype)
	}
	m, info, err := s.Records(dns.Fqdn(name), typ, client, now)
	if err != nil {
		return nil, err
	}
	said := &Said{Name: dns.CanonicalName(name), Type: dns.Type(typ).String(), Rcode: dns.RcodeToString[m.Rcode], Group: info.Group}
	if info.Zone >= 0 {
		said.Zone = s.Zone(info.Zone).Name()
	}
	said.Records = textOf(m.Answer)
	if said.Referral = !m.Authoritative && m.Rcode == dns.RcodeSuccess && len(m.Ns) > 0; said.Referral {
		said.Authority = textOf(m.Ns)
	}
	return said, nil
}

// textOf writes records as zone-file lines; never nil.
func textOf(rrs []dns.RR) []string {
	out := make([]string, len(rrs))
	for i, rr := range rrs {
		out[i] = strings.ReplaceAll(rr.String(), "\t", " ")
	}
	return out
}

// typeOf reads a type's name. Meta types (RFC 6895 §3.1) but ANY are refused.
func typeOf(text string) (uint16, bool) {
	text = strings.ToUpper(text)
	if text == "" {
		return dns.TypeA, true
	}
	typ, ok := dns.StringToType[text]
	if digits, found := strings.CutPrefix(text, "TYPE"); !ok && found {
		n, err := strconv.ParseUint(digits, 10, 16)
		typ, ok = uint16(n), err == nil
	}
	meta := typ == 0 || typ == dns.TypeOPT || typ >= 128 && typ < 255
	return typ, ok && !meta
}
