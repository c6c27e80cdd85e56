package monitor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
)

// A world is what the probes of a test see: a word for each address, "ok" or
// a failure, and answers to look-ups.
type world struct {
	t *testing.T

	mu     sync.Mutex
	says   map[string]string   // address, or monitor and address with a space between, to a word
	names  map[string][]string // host name to addresses; none: the look-up fails
	deaf   bool                // no resolver answers anything
	turns  int                 // when not 0, look-ups find one address each, in turn
	cut    bool                // the controls do not answer
	far    time.Duration       // they take this long to answer
	probes map[string]int      // by address
	log    bytes.Buffer
}

func newWorld(t *testing.T) *world {
	return &world{t: t, says: map[string]string{}, names: map[string][]string{}, probes: map[string]int{}}
}

// say makes addr (or "monitor addr") behave as word says:
//
//	ok        succeeds at once
//	ok 1.5s   succeeds after that long
//	hang      answers nothing until the timeout
//	refused, 500, 502, 404, challenge, internal, no route   fail at once
func (w *world) say(addr, word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says[addr] = word
}

// resolve makes name have addrs.
func (w *world) resolve(name string, addrs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = addrs
}

// deafen makes every resolver silent, or ends that.
func (w *world) deafen(deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = deaf
}

// rotate makes look-ups find one address each, in turn.
func (w *world) rotate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns = 1
}

// sever cuts this node off, or ends that.
func (w *world) sever(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

// count returns how many probes addr has had.
func (w *world) count(addr string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes[addr]
}

func (w *world) word(monitor, addr string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes[addr]++
	if word, ok := w.says[monitor+" "+addr]; ok {
		return word
	}
	if word, ok := w.says[addr]; ok {
		return word
	}
	return "ok"
}

func (w *world) probe(m config.Monitor) (Probe, error) {
	if m.HTTP.RootCAs == "missing.pem" {
		return nil, fmt.Errorf("monitor %s: missing.pem: no such file", m.Name)
	}
	return func(ctx context.Context, addr netip.Addr) health.Result {
		word := w.word(m.Name, addr.String())
		start := time.Now()
		if d, ok := strings.CutPrefix(word, "ok "); ok {
			delay, err := time.ParseDuration(d)
			if err != nil {
				panic(err)
			}
			select {
			case <-time.After(delay):
				word = "ok"
			case <-ctx.Done():
				word = "hang"
			}
		}
		r := health.Result{At: time.Now()}
		switch word {
		case "ok":
			r.OK = true
			r.Phases.Total = max(time.Since(start), time.Millisecond)
		case "hang":
			<-ctx.Done()
			r.Class, r.Reason = health.Slow, "timed out"
		case "refused":
			r.Class, r.Reason = health.Refused, "connection refused"
		case "500":
			r.Class, r.Reason, r.Status = health.Edge5xx, "status 500", 500
		case "502":
			r.Class, r.Reason, r.Status = health.Origin5xx, "status 502", 502
		case "404":
			r.Class, r.Reason, r.Status = health.Status, "status 404", 404
		case "challenge":
			r.Class, r.Reason, r.Status = health.Challenge, "challenge page", 403
		case "internal":
			r.Class, r.Reason = health.Internal, "too many open files"
		case "no route":
			r.Class, r.Reason, r.NoRoute = health.Internal, "no route", true
		case "panic":
			panic("a bug")
		default:
			panic("unknown word " + word)
		}
		return r
	}, nil
}

func (w *world) lookup(ctx context.Context, _ []netip.AddrPort, name string) (Addresses, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	addrs := w.names[name]
	if w.deaf {
		return Addresses{}, fmt.Errorf("%w: %s timed out", probe.ErrDeaf, name)
	}
	if len(addrs) == 0 {
		return Addresses{}, fmt.Errorf("%s: SERVFAIL from 3 of 3 resolvers", name)
	}
	if w.turns > 0 {
		addrs = addrs[w.turns%len(addrs):][:1]
		w.turns++
	}
	found := Addresses{TTL: 30 * time.Second}
	for _, a := range addrs {
		found.Addrs = append(found.Addrs, netip.MustParseAddr(a))
	}
	return found, nil
}

func (w *world) control(ctx context.Context, _ netip.AddrPort) error {
	w.mu.Lock()
	cut, far := w.cut, w.far
	w.mu.Unlock()
	time.Sleep(far)
	if cut {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// lines returns the log lines that contain all of words.
func (w *world) lines(words ...string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
next:
	for l := range strings.Lines(w.log.String()) {
		for _, word := range words {
			if !strings.Contains(l, word) {
				continue next
			}
		}
		n++
	}
	return n
}

func (w *world) deps() Deps {
	return Deps{
		Probe: w.probe, Lookup: w.lookup, Control: w.control,
		Logger: slog.New(slog.NewTextHandler(w, nil)),
	}
}

// web is a monitor with the defaults of the reference.
func web() config.Monitor {
	return config.Monitor{
		Name: "web", Kind: config.HTTPS,
		Interval: 5 * time.Second, Timeout: 3 * time.Second, Recheck: 100 * time.Millisecond,
		Fall: 3, Rise: 5, Window: 10, WindowFall: 0.5,
		HoldDown: 5 * time.Minute, HoldDownMax: time.Hour,
	}
}

// addressPool is a pool of addresses, one of which must be up.
func addressPool(name string, addrs ...string) config.Pool {
	p := config.Pool{Name: name, Operator: name, Monitors: []string{"web"}, UpIf: 1}
	for _, a := range addrs {
		p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
	}
	return p
}

// namedPool is a pool with a host name.
func namedPool(name, cname string) config.Pool {
	return config.Pool{Name: name, Operator: name, CNAME: cname, Monitors: []string{"web"}, UpIf: 1}
}

// conf is a configuration of web, one control target and pools.
func conf(pools ...config.Pool) *config.Config {
	return &config.Config{
		Vantage:  config.Vantage{Controls: []config.Control{{Address: netip.MustParseAddrPort("192.0.2.99:53")}}},
		Monitors: []config.Monitor{web()},
		Pools:    pools,
	}
}

// run runs a Runner in a bubble while f looks at it, and ends it.
func (w *world) run(cfg *config.Config, saved []health.Saved, f func(r *Runner)) {
	w.t.Helper()
	synctest.Test(w.t, func(t *testing.T) {
		r, err := New(cfg, w.deps(), saved)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		outer := w.t
		w.t = t
		f(r)
		w.t = outer
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets d pass, and everything that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want checks the states of pools, as "a=up b=down".
func (w *world) want(r *Runner, states string) {
	w.t.Helper()
	for f := range strings.FieldsSeq(states) {
		name, state, _ := strings.Cut(f, "=")
		p := r.Table().Pools[name]
		if p == nil {
			w.t.Fatalf("no pool %s", name)
		}
		if p.State.String() != state {
			w.t.Errorf("pool %s is %s (%s, held %q), want %s", name, p.State, p.Reason, p.Held, state)
		}
	}
}

// until returns how long it takes until pool is state, and fails after limit.
func (w *world) until(r *Runner, pool string, state health.State, limit time.Duration) time.Duration {
	w.t.Helper()
	start := time.Now()
	for r.Table().Pools[pool].State != state {
		if time.Since(start) > limit {
			w.t.Fatalf("pool %s is not %s after %v: %+v", pool, state, limit, *r.Table().Pools[pool])
		}
		pass(time.Millisecond)
	}
	return time.Since(start)
}

// failing waits until addr has been probed once more, at most an interval and
// a half.
func (w *world) failing(addr string) {
	w.t.Helper()
	for n, i := w.count(addr), 0; w.count(addr) == n; i++ {
		if i > 8000 {
			w.t.Fatalf("%s is not probed any longer", addr)
		}
		pass(time.Millisecond)
	}
}
