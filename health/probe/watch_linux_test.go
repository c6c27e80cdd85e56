package probe_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/internal/cdntest"
)

// watching runs a Watch until the test ends, and returns it and its hints.
func watching(t *testing.T) (*probe.Watch, <-chan probe.Hint) {
	w, out := probe.NewWatch(), make(chan probe.Hint, 100)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		w.Run(ctx, func(hints []probe.Hint) {
			for _, h := range hints {
				out <- h
			}
		})
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w, out
}

// hinted waits for one hint.
func hinted(t *testing.T, hints <-chan probe.Hint, want netip.Addr) {
	t.Helper()
	select {
	case h := <-hints:
		if h.Addr != want || h.Monitor != "m" {
			t.Errorf("hint of %s under %s, want %s", h.Addr, h.Monitor, want)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("no hint of %s", want)
	}
}

// silent checks that no hint comes.
func silent(t *testing.T, hints <-chan probe.Hint) {
	t.Helper()
	select {
	case h := <-hints:
		t.Errorf("a hint of %s", h.Addr)
	case <-time.After(100 * time.Millisecond):
	}
}

// Every kind with a connection leaves it open, whether it is used again or
// not, and is told when its server ends: by that server's monitor and address,
// and once.
func TestWatch(t *testing.T) {
	ca, file := newCA(t)
	for _, c := range []struct {
		kind config.Kind
		keep bool
	}{{config.HTTP, false}, {config.HTTP, true}, {config.HTTPS, false}, {config.HTTPS, true}, {config.TLS, false}, {config.TCP_, false}} {
		t.Run(string(c.kind), func(t *testing.T) {
			w, hints := watching(t)
			with := ca
			if c.kind == config.HTTP || c.kind == config.TCP_ {
				with = nil
			}
			e, other := startEdge(t, "127.0.0.2", with), (*cdntest.Edge)(nil)
			m := monitor(c.kind, e.Addr().Port(), file)
			m.Watch, m.HTTP.KeepAlive, m.Interval = true, c.keep, time.Minute
			p, err := w.New(m)
			if err != nil {
				t.Fatal(err)
			}
			other, err = cdntest.Start(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), e.Addr().Port()), cdntest.Options{Host: host, CA: with})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			for range 3 { // a later connection replaces an earlier one, quietly
				for _, edge := range []*cdntest.Edge{e, other} {
					expect(t, p(context.Background(), edge.Addr().Addr()), health.None, "")
				}
			}
			silent(t, hints)
			e.Close()
			hinted(t, hints, e.Addr().Addr())
			silent(t, hints)
			expect(t, p(context.Background(), other.Addr().Addr()), health.None, "")
			if r := p(context.Background(), e.Addr().Addr()); r.Class != health.Refused {
				t.Errorf("%q %s", r.Class, r.Reason)
			}
			other.Close()
			hinted(t, hints, other.Addr().Addr())
		})
	}
}

// A connection is watched for its end: a reset is one, what a server says
// unasked is none.
func TestWatchSeesAReset(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	came := make(chan net.Conn, 1)
	go func() {
		if c, err := ln.Accept(); err == nil {
			came <- c
		}
	}()
	w, hints := watching(t)
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	m := monitor(config.TCP_, at.Port(), "")
	m.Watch = true
	p, err := w.New(m)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, p(context.Background(), at.Addr()), health.None, "")
	c := <-came
	if _, err := c.Write([]byte("hello\r\n")); err != nil {
		t.Fatal(err)
	}
	silent(t, hints)
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	hinted(t, hints, at.Addr())
}

// Only the connection of a success is left open, and none when the Watch has
// ended or the endpoint is probed no more.
func TestWatchLeavesNothingBehind(t *testing.T) {
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	status := http.StatusOK
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			w.WriteHeader(status)
			_, _ = w.Write([]byte("shunt-ok"))
		}),
		ConnState: func(c net.Conn, s http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if open[c] = true; s == http.StateClosed {
				delete(open, c)
			}
		},
	}
	go func() { _ = s.Serve(ln) }()
	defer s.Close()
	w := probe.NewWatch()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx, func([]probe.Hint) {}) })
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	m := monitor(config.HTTP, at.Port(), "")
	m.Watch = true
	p, err := w.New(m)
	if err != nil {
		t.Fatal(err)
	}
	count := func(want int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			mu.Lock()
			n := len(open)
			mu.Unlock()
			if n == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d connections are open, want %d", n, want)
			}
		}
	}
	for range 3 {
		expect(t, p(context.Background(), at.Addr()), health.None, "")
	}
	count(1)
	mu.Lock()
	status = 500
	mu.Unlock()
	if r := p(context.Background(), at.Addr()); r.OK {
		t.Error("500 is no success")
	}
	count(1)
	cancel()
	wg.Wait()
	count(0)
	mu.Lock()
	status = 200
	mu.Unlock()
	expect(t, p(context.Background(), at.Addr()), health.None, "")
	count(0)
}

func TestWatchNeedsAConnection(t *testing.T) {
	m := monitor(config.DNS_, 53, "")
	m.Watch = true
	if _, err := probe.NewWatch().New(m); err == nil {
		t.Error("a dns monitor is watched")
	}
}
