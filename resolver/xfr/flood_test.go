package xfr

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A hungLog takes nothing until it is let go.
type hungLog struct{ free chan struct{} }

func (h hungLog) Write(p []byte) (int, error) { <-h.free; return len(p), nil }

// Who is refused waits for no log, however many they are, and whatever becomes
// of it.
func TestRefusalsWaitForNoLog(t *testing.T) {
	log := hungLog{make(chan struct{})}
	p := strict(t, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range uint32(2 * tellMost) {
			if reply, ok := p.Reply(make([]byte, 0, 1232), axfr(t, 1), forged(n), time.Now(), resolver.UDP, nil); !ok || reply[3]&0xf != dns.RcodeRefused {
				t.Errorf("%v, %x", ok, reply)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("refusals wait for the log")
	}
	if n := len(p.told.last); n > tellMost {
		t.Errorf("%d matters are kept", n)
	}
	close(log.free)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	<-done
}

// A pipe is one end of a connection from an address of the test's choice, which
// takes its time to close where farewell is not nil.
type pipe struct {
	net.Conn
	from     netip.AddrPort
	farewell <-chan struct{}
}

func (p pipe) Close() error {
	if p.farewell != nil {
		<-p.farewell
	}
	return p.Conn.Close()
}

func (p pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.from) }

// Strangers who hold connections open shut out no secondary, and nobody ends a
// connection that something was granted to for their sake.
func TestStrangersMakeRoom(t *testing.T) {
	p := strict(t, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx) }()
	defer func() { cancel(); <-over }()
	s := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")}).Snapshot(1, []*zone.Steered{answering(1)}, nil)
	p.Publish(s)
	farewell := make(chan struct{})
	ask := func(from netip.AddrPort, id uint16) (rcode byte, far net.Conn) {
		near, far := net.Pipe()
		msg := axfr(t, id)
		p.Take(pipe{near, from, farewell}, append([]byte{0, byte(len(msg))}, msg...), resolver.TCP, nil)
		far.SetReadDeadline(time.Now().Add(10 * time.Second))
		reply, err := dnstest.ReadFrame(far)
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		return reply[3] & 0xf, far
	}
	friend := netip.MustParseAddrPort("192.0.2.7:53")
	rcode, first := ask(friend, 1)
	if rcode != dns.RcodeSuccess {
		t.Fatalf("a secondary: rcode %d", rcode)
	}
	for n := range uint32(takenMax + 50) {
		if rcode, _ := ask(forged(n), 2); rcode != dns.RcodeRefused {
			t.Fatalf("a stranger: rcode %d", rcode)
		}
	}
	if rcode, _ := ask(friend, 3); rcode != dns.RcodeSuccess {
		t.Errorf("a secondary among strangers: rcode %d", rcode)
	}
	close(farewell)
	p.mu.Lock()
	n := len(p.listened)
	p.mu.Unlock()
	if n > takenMax {
		t.Errorf("%d connections are taken", n)
	}
	msg := axfr(t, 4)
	first.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := first.Write(append([]byte{0, byte(len(msg))}, msg...)); err != nil {
		t.Fatalf("the first secondary has lost its connection: %v", err)
	}
	if reply, err := dnstest.ReadFrame(first); err != nil || reply[3]&0xf != dns.RcodeSuccess {
		t.Errorf("the first secondary again: %x, %v", reply, err)
	}
}

// strict returns a Primary that hands zones to 192.0.2.0/24 only.
func strict(t testing.TB, log *slog.Logger) *Primary {
	t.Helper()
	cfg := &config.Config{Transfer: config.Transfer{Content: config.OnePool, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	p, err := New(cfg, Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// axfr is a request for example.test.
func axfr(t testing.TB, id uint16) []byte {
	t.Helper()
	m := new(dns.Msg).SetAxfr("example.test.")
	m.Id = id
	msg, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// forged is the n-th of many addresses.
func forged(n uint32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 53)
}

// BenchmarkRefused is AXFR over UDP from ever other addresses, as whoever forges
// them sends it.
func BenchmarkRefused(b *testing.B) {
	p, msg := strict(b, slog.New(slog.DiscardHandler)), axfr(b, 1)
	dst, n := make([]byte, 0, 1232), uint32(0)
	for b.Loop() {
		n++
		p.Reply(dst, msg, forged(n), time.Now(), resolver.UDP, nil)
	}
}
