package dnstest

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Text returns a reply as lines, one for each thing in it:
//
//	NOERROR qr aa rd                     rcode with its extension, opcode unless QUERY, flags
//	?  www.example.com. IN A             the question, its case kept
//	an www.example.com. 30 IN A 192.0.2.1
//	ns …                                 authority
//	ar …                                 additional, without OPT
//	opt 1232 do nsid=ns1 cookie=0102030405060708+16 subnet=192.0.2.0/24/0 keepalive=100 ede=20
//
// Of a server cookie only the length shows. What does not parse is returned as
// the error and the octets; no reply is "(silence)".
func Text(reply []byte) string {
	if len(reply) == 0 {
		return "(silence)"
	}
	var m dns.Msg
	if err := m.Unpack(reply); err != nil {
		return fmt.Sprintf("%v: %x", err, reply)
	}
	opt := m.IsEdns0()
	lines := []string{head(&m, opt)}
	for _, q := range m.Question {
		lines = append(lines, fmt.Sprintf("? %s %s %s", q.Name, dns.Class(q.Qclass), dns.Type(q.Qtype)))
	}
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype != dns.TypeOPT {
				text := strings.Join(strings.Fields(rr.String()), " ")
				lines = append(lines, []string{"an ", "ns ", "ar "}[i]+strings.TrimPrefix(text, ";; TSIG PSEUDOSECTION: "))
			}
		}
	}
	if opt != nil {
		lines = append(lines, optText(opt))
	}
	return strings.Join(lines, "\n")
}

// Line is Text on one line, " | " between its lines.
func Line(reply []byte) string { return strings.ReplaceAll(Text(reply), "\n", " | ") }

// head returns the first line. The bit that RFC 1035 keeps zero shows as z.
func head(m *dns.Msg, opt *dns.OPT) string {
	rcode := m.Rcode // the header's four bits, and OPT's eight
	name, ok := dns.RcodeToString[rcode]
	if !ok {
		name = fmt.Sprint("RCODE", rcode)
	}
	if rcode == dns.RcodeBadVers && opt != nil {
		name = "BADVERS"
	}
	words := []string{name}
	if m.Opcode != dns.OpcodeQuery {
		words = append(words, fmt.Sprint("opcode=", m.Opcode))
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"qr", m.Response}, {"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired},
		{"ra", m.RecursionAvailable}, {"z", m.Zero}, {"ad", m.AuthenticatedData}, {"cd", m.CheckingDisabled},
	} {
		if f.set {
			words = append(words, f.name)
		}
	}
	return strings.Join(words, " ")
}

// optText returns the line of an OPT record.
func optText(opt *dns.OPT) string {
	words := []string{"opt", fmt.Sprint(opt.UDPSize())}
	if v := opt.Version(); v != 0 {
		words = append(words, fmt.Sprint("version=", v))
	}
	if opt.Do() {
		words = append(words, "do")
	}
	if z := opt.Header().Ttl & 0x7fff; z != 0 {
		words = append(words, fmt.Sprintf("z=%04x", z))
	}
	for _, o := range opt.Option {
		words = append(words, optionText(o))
	}
	return strings.Join(words, " ")
}

func optionText(o dns.EDNS0) string {
	switch o := o.(type) {
	case *dns.EDNS0_NSID:
		name, _ := hex.DecodeString(o.Nsid)
		return "nsid=" + string(name)
	case *dns.EDNS0_COOKIE:
		return fmt.Sprintf("cookie=%s+%d", o.Cookie[:16], len(o.Cookie[16:])/2)
	case *dns.EDNS0_SUBNET:
		a, _ := netip.AddrFromSlice(o.Address)
		if o.Family == 1 {
			a = a.Unmap()
		}
		return fmt.Sprintf("subnet=%s/%d/%d", a, o.SourceNetmask, o.SourceScope)
	case *dns.EDNS0_TCP_KEEPALIVE:
		return fmt.Sprint("keepalive=", o.Timeout)
	case *dns.EDNS0_EDE:
		return fmt.Sprint("ede=", o.InfoCode)
	}
	return fmt.Sprintf("option%d=%s", o.Option(), o)
}
