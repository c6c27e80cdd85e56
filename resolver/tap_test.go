package resolver

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// A notebook is a Tap that writes down what it hears.
type notebook struct {
	mu    sync.Mutex
	ears  int
	heard []Heard
	deaf  bool
}

func (n *notebook) Ear() Ear {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ears++
	return n
}
func (n *notebook) Wants() bool { return !n.deaf }
func (n *notebook) Hear(h Heard) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := h
	c.Query, c.Reply = bytes.Clone(h.Query), bytes.Clone(h.Reply)
	n.heard = append(n.heard, c)
}

// TestTap: a tap hears of every query and its reply, as long as it is the one
// in service, with the pool that answered.
func TestTap(t *testing.T) {
	a, w := workerForTest(t, settingsForTest())
	buf := make([]byte, 0, 512)
	ask := func(q string, tr Transport) []byte { return w.Answer(buf, dnstest.Ask(t, q), client, moment, tr) }
	ask("www.example.test. A", UDP)

	n := &notebook{}
	a.SetTap(n)
	query := dnstest.Ask(t, "svc.example.test. A")
	reply := bytes.Clone(w.Answer(buf, query, client, moment, UDP))
	ask("www.example.test. A", TCP)
	w.Answer(buf, query[:14], client, moment, UDP) // malformed
	w.Answer(buf, query[:4], client, moment, UDP)  // silence
	if n.ears != 1 || len(n.heard) != 3 {
		t.Fatalf("%d ears heard %d queries, want 1 and 3", n.ears, len(n.heard))
	}
	h := n.heard[0]
	if !bytes.Equal(h.Query, query) || !bytes.Equal(h.Reply, reply) || h.Client != client || h.At != moment || h.Transport != UDP || h.Pool == "" {
		t.Errorf("heard %+v", h)
	}
	if h = n.heard[1]; h.Transport != TCP || h.Pool != "" {
		t.Errorf("of a static name: %+v", h)
	}
	n.deaf = true
	ask("www.example.test. A", UDP)
	n.deaf = false
	a.SetTap(nil)
	ask("www.example.test. A", UDP)
	if len(n.heard) != 3 {
		t.Error("it hears what it does not want, or after its end")
	}
	other := &notebook{}
	a.SetTap(other)
	ask("www.example.test. A", UDP)
	if len(other.heard) != 1 || len(n.heard) != 3 {
		t.Errorf("after a change the new one heard %d", len(other.heard))
	}
	if allocs := testing.AllocsPerRun(100, func() { w.Answer(buf, query, client, moment, UDP) }); allocs > 2 { // the copies
		t.Errorf("%v allocations", allocs)
	}
}

// TestTapHearsBatches: over sockets, UDP and TCP, while taps come and go.
func TestTapHearsBatches(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	n := &notebook{}
	s.SetTap(n)
	ask := dnstest.Ask(t, "www.example.test. A")
	deadline := time.Now().Add(10 * time.Second)
	for range 20 {
		dnstest.UDP(t, s.Addrs()[0], ask)
		dnstest.TCP(t, s.Addrs()[0], ask)
	}
	for {
		n.mu.Lock()
		heard := len(n.heard)
		n.mu.Unlock()
		if heard >= 40 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("heard %d of 40", heard)
		}
		time.Sleep(time.Millisecond)
	}
	for _, h := range n.heard {
		if !h.Client.Addr().IsLoopback() || len(h.Reply) == 0 || time.Since(h.At) > time.Minute {
			t.Fatalf("heard %+v", h)
		}
	}
}
