package dnstest

import (
	"encoding/hex"
	"testing"

	"github.com/miekg/dns"
)

// TestAsk holds the notation to the octets it stands for.
func TestAsk(t *testing.T) {
	const www = "03777777076578616d706c6504746573740000010001"
	for line, want := range map[string]string{
		"www.example.test. A":                       "123400000001000000000000" + www,
		"www.example.test A +rd +cd":                "123401100001000000000000" + www,
		"www.example.test. +opcode=5 +tail=00":      "123428000001000000000000" + www + "00",
		"www.example.test. +qd=2 +cut=1":            "123400000002000000000000" + www[:len(www)-2],
		"+header +flags=7fff":                       "12347fff0000000000000000",
		"www.example.test. +do +bufsize=512":        "123400000001000000000001" + www + "0000290200000080000000",
		"www.example.test. +edns=1 +nsid +opt=9:ff": "123400000001000000000001" + www + "00002904d000010000" + "0009" + "00030000" + "00090001ff",
		"www.example.test. +subnet=192.0.2.129/25":  "123400000001000000000001" + www + "00002904d000000000" + "000c" + "00080008" + "00011900c0000280",
		"www.example.test. +optdata=00 +opt2":       "123400000001000000000002" + www + "00002904d00000000000010000002904d0000000000001" + "00",
		"www.example.test. +arcount=7":              "123400000001000000000007" + www,
		"www.example.test. +class=CH +type=16":      "123400000001000000000000" + www[:len(www)-8] + "00100003",
	} {
		if got := hex.EncodeToString(Ask(t, line)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

// TestText prints one reply with everything in it.
func TestText(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("wWw.example.test.", dns.TypeA)
	m.Response, m.Authoritative, m.Truncated, m.Zero = true, true, true, true
	for _, r := range []struct {
		to   *[]dns.RR
		text string
	}{
		{&m.Answer, "www.example.test. 30 IN A 192.0.2.1"},
		{&m.Ns, "example.test. 300 IN NS ns1.example.test."},
		{&m.Extra, "ns1.example.test. 300 IN A 192.0.2.53"},
	} {
		rr, err := dns.NewRR(r.text)
		if err != nil {
			t.Fatal(err)
		}
		*r.to = append(*r.to, rr)
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(1232)
	opt.SetDo()
	opt.Option = append(opt.Option,
		&dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: hex.EncodeToString([]byte("ns1"))},
		&dns.EDNS0_EDE{InfoCode: 20},
		&dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE, Timeout: 100},
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "010203040506070801000000000000000000000000000000"})
	m.Extra = append(m.Extra, opt)
	m.Rcode = dns.RcodeBadVers
	reply, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	const want = "BADVERS qr aa tc rd z" +
		" | ? wWw.example.test. IN A" +
		" | an www.example.test. 30 IN A 192.0.2.1" +
		" | ns example.test. 300 IN NS ns1.example.test." +
		" | ar ns1.example.test. 300 IN A 192.0.2.53" +
		" | opt 1232 do nsid=ns1 ede=20 keepalive=100 cookie=0102030405060708+16"
	if got := Line(reply); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Line(nil); got != "(silence)" {
		t.Errorf("no reply: %s", got)
	}
}
