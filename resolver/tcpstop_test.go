package resolver

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestStopWithSlowReader: a client that does not take its replies delays the
// end by the grace and no more, whatever its idle time.
func TestStopWithSlowReader(t *testing.T) {
	bothTCP(t, func(t *testing.T, _ func(*testing.T, config.DNS, ...string) *Server) {
		c := settingsForTest()
		c.TCP.Idle = time.Hour
		s, stop := serveUntil(t, c, sideOf(t))
		slow := dial(t, s)
		frames := bytes.Repeat(dnstest.Frames(dnstest.Ask(t, "big.example.test. TXT")), 1000)
		for {
			slow.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := slow.Write(frames); err != nil {
				break // both directions are full
			}
		}
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > stopGrace+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestStopAnswersFirst: what was asked before the end is answered, to the last
// octet, though its replies fill every buffer, and those that ask are let go.
func TestStopAnswersFirst(t *testing.T) {
	bothTCP(t, func(t *testing.T, _ func(*testing.T, config.DNS, ...string) *Server) {
		s, stop := serveUntil(t, settingsForTest(), sideOf(t))
		const queries = 1500 // in less than 64 KiB, which are read though not answered; the replies are 2 MB
		c := dial(t, s)
		go c.Write(bytes.Repeat(dnstest.Frames(dnstest.Ask(t, "big.example.test. TXT")), queries))
		time.Sleep(50 * time.Millisecond) // they are read, and the first replies fill the way back
		done := make(chan struct{})
		go func() { stop(); close(done) }()
		got := 0
		for {
			reply, err := dnstest.ReadFrame(c)
			if err != nil {
				break
			}
			if strings.Count(dnstest.Line(reply), "| an ") != 6 {
				t.Fatalf("reply %d: %s", got, dnstest.Line(reply))
			}
			got++
		}
		<-done
		if got == 0 || s.Stats().TCP < uint64(got) {
			t.Errorf("%d replies, of %d queries read", got, s.Stats().TCP)
		}
		if got != int(s.Stats().TCP) {
			t.Errorf("%d replies to %d queries that were read", got, s.Stats().TCP)
		}
	})
}

// sideOf returns the way of serving that a test of bothTCP is about.
func sideOf(t *testing.T) tcpMaker {
	if strings.HasSuffix(t.Name(), "/plain") {
		return newPlainTCP
	}
	return newTCP
}

// serveUntil serves on a free port until stop is called, which returns once it
// has ended.
func serveUntil(t *testing.T, c config.DNS, newTCP tcpMaker) (s *Server, stop func()) {
	t.Helper()
	s, err := listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, c, quiet(), newUDP, newTCP)
	if err != nil {
		t.Fatal(err)
	}
	s.Swap(snapshotForTest(t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}
