package resolver

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

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
