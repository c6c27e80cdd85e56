// Package dnstest helps tests ask DNS questions and read the replies. Its
// values are text: a question is written as an argument line of dig, a reply
// is printed as a few lines that a reader of zone files knows.
//
// It is imported by tests only, and never by the program.
package dnstest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// ID is the message ID of every query that Ask builds.
const ID = 0x1234

// Ask returns the query that a line of dig's arguments describes, octet by
// octet, so that it can also be wrong:
//
//	www.example.com. AAAA        name and type; the type defaults to A
//	+class=CH +type=65280        class; type by number
//	+rd +cd +ad +aa +tc +ra +z   bits of the header
//	+flags=7fff                  all of them, in hex, with opcode and rcode
//	+opcode=5
//	+header                      nothing but the header
//	+edns[=version] +bufsize=N   an OPT record (size 1232)
//	+do +ednsflags=ffff          its flags
//	+nsid +keepalive +cookie[=hex] +subnet=192.0.2.0/24
//	+opt=code:hex                any other option, as often as wanted
//	+optdata=hex                 octets after the last option
//	+opt2                        a second OPT record
//	+tsig=name                   a TSIG record of this key, hmac-sha256, with a made-up MAC
//	+an=hex +ns=hex +ar=hex      a record of that section, in wire form, counted
//	+qd=N +ancount=N +nscount=N +arcount=N   counts that lie
//	+tail=hex                    octets after everything
//	+cut=N                       without its last N octets
//
// Every option that belongs into an OPT record adds one.
func Ask(t testing.TB, line string) []byte {
	t.Helper()
	a := asker{qtype: dns.TypeA, class: dns.ClassINET, size: 1232, counts: map[string]uint16{}}
	for _, word := range strings.Fields(line) {
		if err := a.word(word); err != nil {
			t.Fatalf("%s: %s: %v", line, word, err)
		}
	}
	msg, err := a.pack()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return msg
}

// An asker gathers what the words of a line say.
type asker struct {
	name         string
	qtype, class uint16
	flags        uint16
	header       bool
	edns         bool
	version      uint8
	size         uint16
	ednsFlags    uint16
	options      []byte
	second       bool
	tsig         string
	an, ns, ar   [][]byte
	counts       map[string]uint16
	tail         []byte
	cut          int
}

// headerBits are the header's flags by dig's names.
var headerBits = map[string]uint16{
	"+qr": 1 << 15, "+aa": 1 << 10, "+tc": 1 << 9, "+rd": 1 << 8, "+ra": 1 << 7, "+z": 1 << 6, "+ad": 1 << 5, "+cd": 1 << 4,
}

func (a *asker) word(word string) error {
	if !strings.HasPrefix(word, "+") {
		return a.plain(word)
	}
	if bit, ok := headerBits[word]; ok {
		a.flags |= bit
		return nil
	}
	key, value, given := strings.Cut(word[1:], "=")
	switch key {
	case "an", "ns", "ar", "tail", "optdata":
		return a.octets(key, value)
	case "qd", "ancount", "nscount", "arcount":
		return number(value, 10, func(n uint16) { a.counts[key] = n })
	case "class":
		a.class = dns.StringToClass[value]
	case "type":
		return number(value, 10, func(n uint16) { a.qtype = n })
	case "flags":
		return number(value, 16, func(n uint16) { a.flags = n })
	case "opcode":
		return number(value, 10, func(n uint16) { a.flags |= n << 11 })
	case "header":
		a.header = true
	case "tsig":
		a.tsig = value
	case "cut":
		return number(value, 10, func(n uint16) { a.cut = int(n) })
	default:
		a.edns = true
		return a.ednsWord(key, value, given)
	}
	return nil
}

// plain takes the name and, after it, the type.
func (a *asker) plain(word string) error {
	if a.name == "" {
		a.name = word
		return nil
	}
	t, ok := dns.StringToType[word]
	if !ok {
		return fmt.Errorf("no such type")
	}
	a.qtype = t
	return nil
}

func (a *asker) octets(key, value string) error {
	b, err := hex.DecodeString(value)
	switch key {
	case "an":
		a.an = append(a.an, b)
	case "ns":
		a.ns = append(a.ns, b)
	case "ar":
		a.ar = append(a.ar, b)
	case "tail":
		a.tail = b
	case "optdata":
		a.edns = true
		a.options = append(a.options, b...)
	}
	return err
}

func (a *asker) ednsWord(key, value string, given bool) error {
	switch key {
	case "edns":
		if given {
			return number(value, 10, func(n uint16) { a.version = uint8(n) })
		}
	case "bufsize":
		return number(value, 10, func(n uint16) { a.size = n })
	case "do":
		a.ednsFlags |= 1 << 15
	case "ednsflags":
		return number(value, 16, func(n uint16) { a.ednsFlags = n })
	case "nsid":
		a.option(dns.EDNS0NSID, nil)
	case "keepalive":
		a.option(dns.EDNS0TCPKEEPALIVE, nil)
	case "cookie":
		if !given {
			value = "0102030405060708"
		}
		b, err := hex.DecodeString(value)
		a.option(dns.EDNS0COOKIE, b)
		return err
	case "subnet":
		return a.subnet(value)
	case "opt":
		code, data, _ := strings.Cut(value, ":")
		b, err := hex.DecodeString(data)
		if err != nil {
			return err
		}
		return number(code, 10, func(n uint16) { a.option(n, b) })
	case "opt2":
		a.second = true
	default:
		return fmt.Errorf("no such word")
	}
	return nil
}

// subnet adds a well-formed Client Subnet option.
func (a *asker) subnet(value string) error {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return err
	}
	family := byte(1)
	if p.Addr().Is6() {
		family = 2
	}
	data := append([]byte{0, family, byte(p.Bits()), 0}, p.Masked().Addr().AsSlice()[:(p.Bits()+7)/8]...)
	a.option(dns.EDNS0SUBNET, data)
	return nil
}

func (a *asker) option(code uint16, data []byte) {
	a.options = binary.BigEndian.AppendUint16(a.options, code)
	a.options = binary.BigEndian.AppendUint16(a.options, uint16(len(data)))
	a.options = append(a.options, data...)
}

func number(s string, base int, set func(uint16)) error {
	n, err := strconv.ParseUint(s, base, 16)
	set(uint16(n))
	return err
}

// pack writes the message.
func (a *asker) pack() ([]byte, error) {
	ar := a.ar
	opt := a.opt()
	if a.edns {
		ar = append(ar, opt)
	}
	if a.second {
		ar = append(ar, opt)
	}
	if a.tsig != "" {
		r, err := tsig(a.tsig)
		if err != nil {
			return nil, err
		}
		ar = append(ar, r)
	}
	qd := uint16(1)
	if a.header || a.name == "" {
		qd = 0
	}
	msg := binary.BigEndian.AppendUint16(nil, ID)
	for _, n := range []uint16{
		a.flags, a.count("qd", qd), a.count("ancount", uint16(len(a.an))),
		a.count("nscount", uint16(len(a.ns))), a.count("arcount", uint16(len(ar))),
	} {
		msg = binary.BigEndian.AppendUint16(msg, n)
	}
	if qd > 0 {
		name, err := Name(a.name)
		if err != nil {
			return nil, err
		}
		msg = append(msg, name...)
		msg = binary.BigEndian.AppendUint16(msg, a.qtype)
		msg = binary.BigEndian.AppendUint16(msg, a.class)
	}
	for _, section := range [][][]byte{a.an, a.ns, ar} {
		for _, r := range section {
			msg = append(msg, r...)
		}
	}
	msg = append(msg, a.tail...)
	if a.cut > len(msg) {
		return nil, fmt.Errorf("nothing left after cutting %d octets", a.cut)
	}
	return msg[:len(msg)-a.cut], nil
}

func (a *asker) count(key string, really uint16) uint16 {
	if n, ok := a.counts[key]; ok {
		return n
	}
	return really
}

// opt returns the OPT record.
func (a *asker) opt() []byte {
	r := []byte{0, 0, byte(dns.TypeOPT)}
	r = binary.BigEndian.AppendUint16(r, a.size)
	r = append(r, 0, a.version)
	r = binary.BigEndian.AppendUint16(r, a.ednsFlags)
	r = binary.BigEndian.AppendUint16(r, uint16(len(a.options)))
	return append(r, a.options...)
}

// tsig returns a TSIG record with a made-up MAC.
func tsig(key string) ([]byte, error) {
	return RR(&dns.TSIG{
		Hdr:        dns.RR_Header{Name: key, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm:  dns.HmacSHA256,
		TimeSigned: 1700000000, Fudge: 300,
		MACSize: 32, MAC: strings.Repeat("6d", 32),
		OrigId: ID,
	})
}

// RR returns a record in wire form, uncompressed.
func RR(rr dns.RR) ([]byte, error) {
	b := make([]byte, dns.Len(rr)+64)
	n, err := dns.PackRR(rr, b, 0, nil, false)
	return b[:n], err
}

// Name returns a name in wire form, its case kept. A dot at the end is implied.
func Name(s string) ([]byte, error) {
	b := make([]byte, 300)
	n, err := dns.PackDomainName(dns.Fqdn(s), b, 0, nil, false)
	return b[:n], err
}
