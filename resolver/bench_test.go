package resolver

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// BenchmarkAnswer is a packet to its reply, without sockets.
func BenchmarkAnswer(b *testing.B) {
	for _, q := range hotQuestions {
		b.Run(q.name, func(b *testing.B) {
			_, w := workerForTest(b, settingsForTest())
			query := dnstest.Ask(b, q.ask)
			buf := make([]byte, 0, udpReply)
			b.ReportAllocs()
			for b.Loop() {
				if len(w.Answer(buf, query, client, moment, UDP)) == 0 {
					b.Fatal("silence")
				}
			}
		})
	}
	b.Run("limited", func(b *testing.B) {
		set := settingsForTest()
		set.RateLimit.Responses = 200
		_, w := workerForTest(b, set)
		query := dnstest.Ask(b, "www.example.test. A +edns")
		buf := make([]byte, 0, udpReply)
		b.ReportAllocs()
		for b.Loop() {
			w.Answer(buf, query, client, moment, UDP)
		}
	})
}

// BenchmarkUDP is a query and its reply over loopback, one at a time: mostly
// the kernel's wake-ups.
func BenchmarkUDP(b *testing.B) {
	to := serveForBench(b)
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	query := dnstest.Ask(b, "www.example.test. A +edns")
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(query); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTCP is 100 pipelined queries and their replies; the time is of one.
func BenchmarkTCP(b *testing.B) {
	to := serveForBench(b)
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	query := dnstest.Ask(b, "www.example.test. A +edns")
	const batch = 100
	queries := make([][]byte, batch)
	for i := range queries {
		queries[i] = query
	}
	frames := dnstest.Frames(queries...)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		if _, err := c.Write(frames); err != nil {
			b.Fatal(err)
		}
		for range batch {
			if _, err := dnstest.ReadFrame(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// serveForBench serves the test's snapshot on a free port.
func serveForBench(b *testing.B) netip.AddrPort {
	b.Helper()
	s, err := Listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, settingsForTest(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	s.Swap(snapshotForTest(b))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	b.Cleanup(func() {
		stop()
		<-done
	})
	return s.Addrs()[0]
}
