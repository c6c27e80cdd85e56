package resolver

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
)

// crowdSettings have room for a crowd.
func crowdSettings() config.DNS {
	set := settingsForTest()
	set.TCP.Connections, set.TCP.PerClient, set.TCP.Idle = 100_000, 100_000, time.Minute
	return set
}

// TestIdleCrowd: 10,000 idle connections, or as many as this process may have,
// half of them with half a query, leave UDP and TCP answers unharmed.
func TestIdleCrowd(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	crowd := int(min(10_000, limit.Cur/2-200)) // both ends are ours
	s := serve(t, crowdSettings(), "127.0.0.1:0")
	quiet := latency(t, s)
	half := dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))[:20]
	for i := range crowd {
		c := dialFrom(t, s, fmt.Sprintf("127.0.1.%d", i%200+1))
		if i%2 == 0 {
			c.Write(half)
		}
	}
	crowded := latency(t, s)
	t.Logf("%d connections: a UDP answer takes %v, %v without them", crowd, crowded, quiet)
	if crowded > 4*quiet+time.Millisecond {
		t.Errorf("among %d connections a UDP answer takes %v, %v without them", crowd, crowded, quiet)
	}
	if got := roundTrip(t, dial(t, s), dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))); got != wwwLine {
		t.Error(got)
	}
	if st := s.Stats(); st.Connections < uint64(crowd/2) || st.Evicted != 0 {
		t.Errorf("stats: %+v", st)
	}
}

// TestHalfQueryFlood: connections that come with half a query and stay, as
// fast as they can be made, and more than there may be, take no UDP answer.
func TestHalfQueryFlood(t *testing.T) {
	set := crowdSettings()
	set.TCP.Connections = 500
	s := serve(t, set, "127.0.0.1:0")
	quiet := latency(t, s)
	half := dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))[:20]
	var flood sync.WaitGroup
	var stop atomic.Bool
	for i := range 2 {
		flood.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(i+1))}}
			var open [1000]net.Conn
			for n := 0; !stop.Load(); n++ {
				if old := open[n%len(open)]; old != nil {
					old.(*net.TCPConn).SetLinger(0) // no port waits
					old.Close()
				}
				c, err := d.Dial("tcp4", s.Addrs()[0].String())
				if err != nil {
					open[n%len(open)] = nil
					continue
				}
				c.Write(half)
				open[n%len(open)] = c
			}
			for _, c := range open {
				if c != nil {
					c.Close()
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	flooded := latency(t, s)
	st := s.Stats()
	stop.Store(true)
	flood.Wait()
	t.Logf("%d connections accepted, %d evicted: a UDP answer takes %v, %v without them", st.Accepted, st.Evicted, flooded, quiet)
	if flooded > 50*time.Millisecond { // client, flood and server share the cores
		t.Errorf("in the flood a UDP answer takes %v", flooded)
	}
	if st.Evicted == 0 || st.Connections > 500 {
		t.Errorf("stats: %+v", st)
	}
}

// latency returns the median time of a UDP answer; every query is answered.
func latency(t *testing.T, s *Server) time.Duration {
	t.Helper()
	c := dialUDP(t, s.Addrs()[0])
	query, buf := dnstest.Ask(t, "www.example.test. A"), make([]byte, 512)
	var took []time.Duration
	for range 500 {
		began := time.Now()
		c.SetDeadline(began.Add(2 * time.Second))
		c.Write(query)
		if _, err := c.Read(buf); err != nil {
			t.Fatalf("query %d: %v", len(took), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// TestSoak puts a mixed load on all transports, sound and malformed, with
// clients that vanish, while snapshots and settings change. Afterwards there
// are as many goroutines and descriptors as before, and about as much memory.
// SHUNT_SOAK is for how long, as 10m; 3s unless set.
func TestSoak(t *testing.T) {
	length := 3 * time.Second
	if v := os.Getenv("SHUNT_SOAK"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	set := crowdSettings()
	set.TCP.Connections, set.TCP.Idle = 300, 300*time.Millisecond // so that deadlines and evictions happen
	s, v := serveSecure(t, set)
	load := &soak{T: t, s: s, v: v, www: dnstest.Ask(t, "www.example.test. A"), big: dnstest.Ask(t, "big.example.test. TXT")}
	for _, line := range questionsOf(t) {
		load.seeds = append(load.seeds, dnstest.Ask(t, strings.TrimPrefix(line, "tcp ")))
	}
	load.run(length/4, set) // to its working size
	before := load.settled(held{goroutines: 1 << 30})
	load.run(length, set)
	after := load.settled(before)
	st := s.Stats()
	t.Logf("before: %+v, after: %+v; %d UDP, %d TCP, %d TLS, %d HTTPS, %d malformed, %d evicted", before, after, st.UDP, st.TCP, st.TLS, st.HTTPS, st.Malformed, st.Evicted)
	if after.goroutines > before.goroutines || after.descriptors > before.descriptors || after.memory > before.memory+32<<20 {
		buf := make([]byte, 1<<20)
		t.Errorf("before: %+v, after: %+v\n%s", before, after, buf[:runtime.Stack(buf, true)])
	}
	if st.Panics > 0 || st.UDP == 0 || st.TCP == 0 || st.TLS == 0 || st.HTTPS == 0 || st.Malformed == 0 || st.Evicted == 0 {
		t.Errorf("stats: %+v", st)
	}
}

// A soak is a mixed load.
type soak struct {
	*testing.T
	s        *Server
	v        *vault
	www, big []byte
	seeds    [][]byte
	wrong    atomic.Int64
}

// run keeps the load up for so long.
func (k *soak) run(length time.Duration, set config.DNS) {
	k.Helper()
	var stop atomic.Bool
	var running sync.WaitGroup
	next := snapshotForTest(k.T)
	for i, client := range []func(*rand.Rand){k.udp, k.single, k.pipelined, k.noise, k.half, k.slow, k.dot, k.doh, func(*rand.Rand) {
		k.s.Swap(next)
		k.s.SetDNS(set)
		k.s.Stats()
		time.Sleep(5 * time.Millisecond)
	}} {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for !stop.Load() {
				client(r)
			}
		})
	}
	time.Sleep(length)
	stop.Store(true)
	running.Wait()
	if n := k.wrong.Load(); n > 0 {
		k.Errorf("%d wrong answers", n)
	}
}

// check counts a reply that is there and is not what it should be.
func (k *soak) check(reply []byte) {
	if line := dnstest.Line(reply); line != wwwLine && !strings.Contains(line, "big.example.test.") {
		k.wrong.Add(1)
		k.Log(line)
	}
}

func (k *soak) udp(r *rand.Rand) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(k.s.Addrs()[0]))
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	for range 20 {
		c.Write(mutate(r, bytes.Clone(k.seeds[r.IntN(len(k.seeds))])))
	}
	c.Write(k.www)
	c.Read(make([]byte, 4096))
}

// dial connects from a port that does not wait afterwards.
func (k *soak) dial(to netip.AddrPort) net.Conn {
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return nil
	}
	c.SetDeadline(time.Now().Add(2 * time.Second))
	c.SetLinger(0)
	return c
}

// ask writes queries and reads their replies, as far as the server lets it:
// who asks little may be evicted.
func (k *soak) ask(c io.ReadWriter, queries ...[]byte) {
	if _, err := c.Write(dnstest.Frames(queries...)); err != nil {
		return
	}
	for range queries {
		reply, err := dnstest.ReadFrame(c)
		if err != nil {
			return
		}
		k.check(reply)
	}
}

func (k *soak) single(*rand.Rand) {
	if c := k.dial(k.s.Addrs()[0]); c != nil {
		k.ask(c, k.www)
		c.Close()
	}
}

func (k *soak) pipelined(*rand.Rand) {
	if c := k.dial(k.s.Addrs()[0]); c != nil {
		k.ask(c, slices.Repeat([][]byte{k.www, k.big}, 100)...)
		c.Close()
	}
}

func (k *soak) noise(r *rand.Rand) {
	for _, to := range []netip.AddrPort{k.s.Addrs()[0], k.s.AddrsTLS()[0], k.s.AddrsHTTPS()[0]} {
		if c := k.dial(to); c != nil {
			c.Write(mutate(r, dnstest.Frames(k.seeds[r.IntN(len(k.seeds))])))
			c.SetDeadline(time.Now().Add(5 * time.Millisecond))
			io.Copy(io.Discard, c)
			c.Close()
		}
	}
}

func (k *soak) half(*rand.Rand) {
	var all []net.Conn
	for range 320 {
		if c := k.dial(k.s.Addrs()[0]); c != nil {
			c.Write(dnstest.Frames(k.www)[:20])
			all = append(all, c)
		}
	}
	for _, c := range all {
		c.Close()
	}
}

func (k *soak) slow(*rand.Rand) {
	if c := k.dial(k.s.Addrs()[0]); c != nil {
		c.SetDeadline(time.Now().Add(50 * time.Millisecond))
		c.Write(bytes.Repeat(dnstest.Frames(k.big), 5000))
		time.Sleep(50 * time.Millisecond)
		c.Close()
	}
}

func (k *soak) dot(*rand.Rand) {
	if c := k.dial(k.s.AddrsTLS()[0]); c != nil {
		k.ask(tls.Client(c, k.v.client("dot")), k.www, k.big, k.www)
		c.Close()
	}
}

func (k *soak) doh(*rand.Rand) {
	web := k.v.web()
	web.client.Timeout = 2 * time.Second
	defer web.client.CloseIdleConnections()
	for range 10 {
		r, _ := http.NewRequest("POST", "https://"+k.s.AddrsHTTPS()[0].String()+"/dns-query", bytes.NewReader(k.www))
		r.Header.Set("Content-Type", dnsMessage)
		resp, err := web.client.Do(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == 200 {
			k.check(body)
		}
	}
}

// held is what a process holds.
type held struct {
	goroutines, descriptors int
	memory                  int // octets resident
}

// settled waits until the server holds no connection, and no more than most,
// as far as it comes to that within some seconds.
func (k *soak) settled(most held) (h held) {
	k.Helper()
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		debug.FreeOSMemory()
		h = holding(k.T)
		if k.s.Stats().Connections == 0 && h.goroutines <= most.goroutines && (most.descriptors == 0 || h.descriptors <= most.descriptors) {
			break
		}
	}
	if n := k.s.Stats().Connections; n > 0 {
		k.Errorf("%d connections are still counted as open", n)
	}
	return h
}

// holding counts what this process holds.
func holding(t *testing.T) held {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	fmt.Sscan(string(text), &size, &resident)
	return held{runtime.NumGoroutine(), len(fds), resident * os.Getpagesize()}
}
