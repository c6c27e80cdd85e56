package resolver

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// inFlight packets are sent before their replies are taken: as many as one
// system call carries where that is known.
const inFlight = 32

// TestMalformedPackets sends what badPackets makes over a real socket, as fast
// as it is answered: each gets silence or a sound reply, FORMERR most of them,
// none a panic, and a good question in between its answer.
func TestMalformedPackets(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	c := dialUDP(t, s.Addrs()[0])
	all := append(badPackets(t), dnstest.Ask(t, "www.example.test. A +edns"))
	for i, msg := range all {
		if len(msg) >= 2 {
			binary.BigEndian.PutUint16(msg, uint16(i))
		}
	}
	sent, rcodes, began := 0, map[byte]int{}, time.Now()
	for sent == 0 || time.Since(began) < time.Second {
		for from := 0; from < len(all); from += inFlight {
			burst(t, c, all[from:min(from+inFlight, len(all))], from, rcodes)
		}
		sent += len(all)
	}
	st := s.Stats()
	t.Logf("%d packets in %v: rcodes %v, %d silent", sent, time.Since(began), rcodes, st.Silent)
	if st.Panics != 0 || st.UDP != uint64(sent) || st.SendErrors != 0 {
		t.Errorf("of %d packets: %+v", sent, st)
	}
	if n := st.Rcodes["FORMERR"]; n < uint64(sent)/2 || n < st.Malformed || rcodes[rcodeFormErr] != int(n) {
		t.Errorf("of %d packets: %d FORMERR, %d malformed, %d seen", sent, n, st.Malformed, rcodes[rcodeFormErr])
	}
}

// burst sends msgs, whose IDs count from first, and takes the reply of each
// that is due one.
func burst(t *testing.T, c *net.UDPConn, msgs [][]byte, first int, rcodes map[byte]int) {
	t.Helper()
	due := 0
	for _, msg := range msgs {
		if _, err := c.Write(msg); err != nil {
			t.Fatal(err)
		}
		if len(msg) >= headerLen && msg[2]&0x80 == 0 {
			due++
		}
	}
	buf := make([]byte, udpReply)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for ; due > 0; due-- {
		n, err := c.Read(buf)
		if err != nil || n < headerLen {
			t.Fatalf("%d replies of a burst are missing: %v, %d octets", due, err, n)
		}
		msg := msgs[int(binary.BigEndian.Uint16(buf))-first]
		if wrong := soundReply(msg, buf[:n]); wrong != "" {
			t.Fatalf("%x got %x: %s", msg, buf[:n], wrong)
		}
		rcodes[buf[3]&rcodeMask]++
	}
}

// badPackets are queries that are wrong in every way a generator can think of:
// cut off at each octet, names that are compressed, loop, point into the
// header or beyond the end, labels of every forbidden length, names of more
// than 255 octets, counts that promise too much or too little, OPT records
// twice, cut off or with options that overrun, and octets behind the end.
func badPackets(t testing.TB) (all [][]byte) {
	t.Helper()
	add := func(parts ...[]byte) { all = append(all, bytes.Join(parts, nil)) }
	whole := dnstest.Ask(t, "www.example.test. A +do +nsid +subnet=198.51.100.0/24 +cookie")
	for n := range whole {
		add(whole[:n])
	}
	plain := dnstest.Ask(t, "www.example.test. A")
	header, tail := plain[:headerLen], []byte{0, 1, 0, 1}
	for _, pointer := range []uint16{0, 2, 11, 12, 13, 14, 16, 0x3ffe, 0x3fff} { // to itself, in a loop, outside
		to := binary.BigEndian.AppendUint16(nil, 0xc000|pointer)
		add(header, to, tail)
		add(header, []byte("\x03www"), to, tail)
		add(header, []byte("\x03www"), to)
	}
	for l := 64; l < 256; l++ { // reserved label types, and far too long ones
		add(header, []byte{byte(l)}, bytes.Repeat([]byte{'a'}, l), []byte{0}, tail)
		add(header, []byte{byte(l), 0}, tail)
	}
	label := append([]byte{63}, bytes.Repeat([]byte{'x'}, 63)...)
	for last := range 64 { // names around 255 octets
		add(header, bytes.Repeat(label, 3), []byte{byte(last)}, bytes.Repeat([]byte{'y'}, last), []byte{0}, tail)
	}
	add(header, bytes.Repeat([]byte{1, 'a'}, 128), []byte{0}, tail)
	add(header, bytes.Repeat([]byte{1, 'a'}, 2000), []byte{0}, tail)
	for at := 4; at < headerLen; at += 2 { // counts
		for _, n := range []uint16{0, 1, 2, 3, 255, 0xffff} {
			msg := bytes.Clone(whole)
			binary.BigEndian.PutUint16(msg[at:], n)
			all = append(all, msg)
		}
	}
	for at := headerLen; at < len(whole); at++ { // every octet made the worst of
		for _, c := range []byte{0, 0x3f, 0x40, 0x80, 0xc0, 0xff} {
			msg := bytes.Clone(whole)
			msg[at] = c
			all = append(all, msg)
		}
	}
	opt := whole[len(plain):]
	twice := bytes.Join([][]byte{whole, opt}, nil)
	twice[11] = 2
	add(twice)
	for n := range 16 {
		add(whole, make([]byte, n+1))
	}
	return all
}
