package zone

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// samples has one record of every type that a zone can hold.
const samples = `
A          192.0.2.1
NS         host.example.test.
MD         host.example.test.
MF         host.example.test.
CNAME      host.example.test.
MB         host.example.test.
MG         host.example.test.
MR         host.example.test.
PTR        host.example.test.
HINFO      "PDP-11" "UNIX \"V7\""
MINFO      a.example.test. b.example.test.
MX         10 host.example.test.
TXT        "one" "two;" "\255\000" ""
RP         a.example.test. b.example.test.
AFSDB      1 host.example.test.
X25        311061700956
ISDN       "150862028003217" "004"
RT         10 host.example.test.
NSAP-PTR   host.example.test.
SIG        A 8 2 3600 20300101000000 20200101000000 12345 example.test. AwEAAag=
KEY        256 3 8 AwEAAag=
PX         10 a.example.test. b.example.test.
GPOS       -32.6882 116.8652 10.0
AAAA       2001:db8::1
LOC        52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
NXT        host.example.test. A MX
EID        e32c6f78163a9348
NIMLOC     32251a030067
SRV        1 2 443 host.example.test.
NAPTR      100 50 "s" "z3950+I2L+I2C" "!^.*$!\\1!" _z3950._tcp.example.test.
KX         10 host.example.test.
CERT       PKIX 1 RSASHA256 AwEAAag=
DNAME      host.example.test.
APL        1:192.0.2.0/24 !2:2001:db8::/32
DS         12345 8 2 0000000000000000000000000000000000000000000000000000000000000001
SSHFP      4 2 0000000000000000000000000000000000000000000000000000000000000001
IPSECKEY   10 3 2 host.example.test. AwEAAag=
RRSIG      A 8 2 3600 20300101000000 20200101000000 12345 example.test. AwEAAag=
NSEC       host.example.test. A MX RRSIG NSEC TYPE1234
DNSKEY     257 3 8 AwEAAag=
DHCID      AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
NSEC3      1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR MX DNSKEY
NSEC3PARAM 1 0 12 AABBCCDD
TLSA       3 1 1 0000000000000000000000000000000000000000000000000000000000000001
SMIMEA     3 1 1 0000000000000000000000000000000000000000000000000000000000000001
HIP        2 200100107B1A74DF365639CC39F1D578 AwEAAag= rvs.example.test.
NINFO      "zone status"
RKEY       0 1 8 AwEAAag=
TALINK     a.example.test. b.example.test.
CDS        0 0 0 00
CDNSKEY    0 3 0 AA==
OPENPGPKEY AwEAAag=
CSYNC      66 3 A NS AAAA
ZONEMD     1 1 1 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001
SVCB       1 host.example.test. alpn="dot" port="8853"
HTTPS      1 . alpn="h2,h3" ipv4hint="192.0.2.1" ech="AEP+DQA="
SPF        "v=spf1 -all"
UINFO      "a user"
UID        1000
GID        1000
NID        10 0014:4fff:ff20:ee64
L32        10 10.1.2.0
L64        10 2001:0db8:1140:1000
LP         10 host.example.test.
EUI48      00-00-5e-00-53-2a
EUI64      00-00-5e-ef-10-00-00-2a
URI        10 1 "https://example.test/path?q=1"
CAA        0 issue "ca.example.net; account=230123"
AVC        "app-name:x"
AMTRELAY   10 0 1 192.0.2.15
RESINFO    "qnamemin" "exterr=15-17"
TA         12345 8 2 0000000000000000000000000000000000000000000000000000000000000001
DLV        12345 8 2 0000000000000000000000000000000000000000000000000000000000000001
`

// notInZones are types of messages and of nothing, and the SOA, which every
// zone of every test has.
var notInZones = []uint16{dns.TypeSOA, dns.TypeNULL, dns.TypeOPT, dns.TypeNXNAME, dns.TypeTKEY, dns.TypeTSIG, dns.TypeANY}

// TestEveryType: each type that miekg/dns knows is read in its own form and in
// the generic one (RFC 3597 §5), and answered as miekg/dns reads it.
func TestEveryType(t *testing.T) {
	missing := map[uint16]bool{}
	for typ := range dns.TypeToRR {
		missing[typ] = true
	}
	for _, typ := range notInZones {
		delete(missing, typ)
		if _, ok := parseType([]byte(typeName(typ))); ok && typ != dns.TypeSOA {
			t.Errorf("%s is taken in a zone", typeName(typ))
		}
	}
	for line := range strings.Lines(strings.TrimSpace(samples)) {
		name, data, _ := strings.Cut(strings.TrimSpace(line), " ")
		typ := dns.StringToType[name]
		delete(missing, typ)
		rr, err := dns.NewRR("x.sub.example.test. 60 IN " + name + " " + data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		generic := new(dns.RFC3597)
		if err := generic.ToRFC3597(rr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, form := range []string{
			fmt.Sprintf("x %s %s", name, data),
			fmt.Sprintf("x IN %s %s", strings.ToLower(name), strings.ReplaceAll(data, "example.test.", "Example.Test.")),
			fmt.Sprintf("x TYPE%d \\# %d %s", typ, len(generic.Rdata)/2, generic.Rdata),
			fmt.Sprintf("x %s ( \\# %d %s ; generic\n )", name, len(generic.Rdata)/2, generic.Rdata),
		} {
			if got := lines(ofType(t, form, typ)); len(got) != 1 || got[0] != lines([]dns.RR{rr})[0] {
				t.Errorf("%s\n got %q\nwant %q", form, got, lines([]dns.RR{rr}))
			}
		}
	}
	for typ := range missing {
		t.Errorf("%s has no sample", typeName(typ))
	}
}

// ofType returns what is said of x.sub.example.test. in a zone with these
// lines: the answer, or the referral.
func ofType(t *testing.T, text string, typ uint16) []dns.RR {
	snap := NewSet([]*Zone{parse(t, "sub.example.test.", "$TTL 60\n@ SOA ns hm 1 2 3 4 60\n@ NS ns\n"+text+"\n")}).Snapshot(1, nil, nil)
	m, _, err := snap.Records("x.sub.example.test.", typ, netip.Addr{}, 0)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return append(m.Answer, m.Ns...)
}

// TestByteOrderMark: what some editors put in front of a file is no part of
// its first owner.
func TestByteOrderMark(t *testing.T) {
	z := parse(t, "example.test.", "\xef\xbb\xbf@ 60 SOA ns hm 1 2 3 4 60\r\n@ 60 NS ns\r\n\tA 192.0.2.1")
	if z.Names() != 1 || z.Records() != 3 {
		t.Errorf("%d names, %d records", z.Names(), z.Records())
	}
}
