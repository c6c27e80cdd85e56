package resolver

import (
	"context"
	"fmt"
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

// BenchmarkCounting is what counting, and taking the time of one batch in 64,
// adds to one steered answer in a batch of 32: to be held against
// BenchmarkAnswer/steered, and against some 1.8 µs for all of an answer with
// the kernel's part.
func BenchmarkCounting(b *testing.B) {
	_, w := workerForTest(b, settingsForTest())
	w.begin(moment, UDP)
	c := &w.n
	c.steered.open(1)
	rcodes, slots := [...]uint16{rcodeSuccess, rcodeSuccess, rcodeNXDomain, rcodeSuccess}, [...]uint32{7, 7, 7, 9}
	types := [...]uint16{1, 28, 1, 65}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c.now.queries[UDP]++
		c.now.qtype(bucketOf(types[i&3]))
		c.steer(slots[i&3])
		c.now.rcode(rcodes[i&3])
		if i++; i&31 == 0 {
			c.flush()
			w.timed()
		}
	}
	if b.N > 1<<16 && c.watches[UDP].sum.Load() == 0 {
		b.Error("no time was taken")
	}
}

// BenchmarkStats is one reading of the counters of 100,000 services with two
// pools each, as of two workers.
func BenchmarkStats(b *testing.B) {
	a := NewAnswerer(settingsForTest(), 1, quiet())
	a.Worker()
	a.Worker()
	for i := range 100_000 {
		name := fmt.Sprintf("s%d.example.test.", i)
		a.slots.of(pair{name, "alpha"})
		a.slots.of(pair{name, "beta"})
	}
	for _, w := range a.workers {
		w.n.steered.open(a.slots.needed())
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Stats()
	}
}
