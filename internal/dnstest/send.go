package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// patience is how long a reply on loopback may take on a busy machine.
const patience = 5 * time.Second

// UDP sends one query from a fresh socket and returns the reply.
func UDP(t testing.TB, to netip.AddrPort, query []byte) []byte {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(query); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// TCP sends queries with one write on a fresh connection and returns as many
// replies, in order.
func TCP(t testing.TB, to netip.AddrPort, queries ...[]byte) [][]byte {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(Frames(queries...)); err != nil {
		t.Fatal(err)
	}
	replies := make([][]byte, len(queries))
	for i := range replies {
		if replies[i], err = ReadFrame(c); err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
	}
	return replies
}

// Frames puts the length before each message (RFC 1035 §4.2.2).
func Frames(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

// ReadFrame reads one message with its length before it.
func ReadFrame(r io.Reader) ([]byte, error) {
	var l [2]byte
	if _, err := io.ReadFull(r, l[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(l[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}
