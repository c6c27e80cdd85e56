package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestCollectionIsNotHeldUp: threads that wait in the kernel with a P are out
// of the runtime's reach but for its signal. One that misses it would hold up
// the whole process, so that the bound is far above the usual and far below
// what a miss costs.
func TestCollectionIsNotHeldUp(t *testing.T) {
	const bound = 2 * time.Second
	for _, addrs := range [][]string{{"127.0.0.1:0"}, {"127.0.0.1:0", "[::1]:0"}} {
		s := serve(t, settingsForTest(), addrs...)
		stop := make(chan struct{})
		var trickling sync.WaitGroup
		trickling.Go(func() { trickle(t, s.Addrs()[0], stop) })
		for i := range 40 {
			began := time.Now()
			runtime.GC()
			if took := time.Since(began); took > bound {
				t.Errorf("%d addresses, collection %d took %v", len(addrs), i, took)
			}
			time.Sleep(time.Duration(i%8) * time.Millisecond)
		}
		close(stop)
		trickling.Wait()
		time.Sleep(4 * shortWait) // now they sleep
		began := time.Now()
		runtime.GC()
		if took := time.Since(began); took > bound {
			t.Errorf("%d addresses, asleep: %v", len(addrs), took)
		}
	}
}

// trickle sends a question each millisecond, so that workers keep waiting with
// their P.
func trickle(t *testing.T, to netip.AddrPort, stop chan struct{}) {
	query := dnstest.Ask(t, "www.example.test. A")
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			if err != nil {
				t.Error(err)
				return
			}
			c.Write(query)
			c.Close()
		}
	}
}

// TestStopWakesWorkers: one that sleeps, and one that is being flooded.
func TestStopWakesWorkers(t *testing.T) {
	for _, flooded := range []bool{false, true} {
		s, err := Listen([]netip.AddrPort{addrPort("127.0.0.1:0")}, settingsForTest(), quiet())
		if err != nil {
			t.Fatal(err)
		}
		s.Swap(snapshotForTest(t))
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		end := make(chan struct{})
		var flooding sync.WaitGroup
		if flooded {
			c := dialUDP(t, s.Addrs()[0])
			query := dnstest.Ask(t, "www.example.test. A")
			flooding.Go(func() {
				for {
					select {
					case <-end:
						return
					default:
						c.Write(query)
					}
				}
			})
		}
		time.Sleep(10 * shortWait)
		began := time.Now()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("flooded %v: took %v", flooded, took)
		}
		close(end)
		flooding.Wait()
		s.Close() // once more does no harm
	}
}

// TestBatch: what has come is answered by one turn, up to 32 at a time, without
// waiting for more, and nothing is allocated. Afterwards the headers have room
// for the longest addresses again.
func TestBatch(t *testing.T) {
	fd, l, client := loopForTest(t)
	query := dnstest.Ask(t, "www.example.test. A +edns")
	buf := make([]byte, 512)
	for _, n := range []int{1, 2, batch} {
		before := l.worker.n.queries[UDP].Load()
		took := make([]time.Duration, 0, 32)
		allocs := testing.AllocsPerRun(20, func() {
			for range n {
				client.Write(query)
			}
			began := time.Now()
			if l.turn() {
				t.Fatal("nothing came")
			}
			took = append(took, time.Since(began))
			for range n {
				if _, err := client.Read(buf); err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("batches of %d: %v allocations", n, allocs)
		}
		if got := int(l.worker.n.queries[UDP].Load() - before); got != len(took)*n {
			t.Errorf("batches of %d: %d of %d answered", n, got, len(took)*n)
		}
		if slices.Sort(took); took[len(took)/2] > shortWait/2 {
			t.Errorf("batches of %d: a turn took %v", n, took[len(took)/2])
		}
		if h := &l.in[n-1]; h.Namelen != unix.SizeofSockaddrInet6 || int(h.Controllen) != len(l.oob[0]) {
			t.Errorf("batches of %d: room for %d octets of address and %d of control", n, h.Namelen, h.Controllen)
		}
	}
	if !l.answer(fd, unix.MSG_DONTWAIT) {
		t.Error("something is left")
	}
}

// TestNothingIsDelayed: at its best one question alone is answered at once,
// whether the worker waits shortly or sleeps. A wait for more to come would
// show in every one.
func TestNothingIsDelayed(t *testing.T) {
	s := serve(t, settingsForTest(), "127.0.0.1:0")
	query := dnstest.Ask(t, "www.example.test. A")
	for _, pause := range []time.Duration{0, 2 * time.Millisecond, 2 * shortWait} {
		best := time.Hour
		for range 40 {
			time.Sleep(pause)
			began := time.Now()
			dnstest.UDP(t, s.Addrs()[0], query)
			best = min(best, time.Since(began))
		}
		if best > 2*time.Millisecond {
			t.Errorf("%v apart: %v at best", pause, best)
		}
	}
}

// loopForTest returns a loop that nobody runs, its socket, and a client.
func loopForTest(t *testing.T) (fd int, l *batchLoop, client *net.UDPConn) {
	t.Helper()
	fd, err := openUDP(addrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := bound.(*unix.SockaddrInet4).Port
	_, w := workerForTest(t, settingsForTest())
	return fd, &batchLoop{worker: w, fds: []int{fd}, messages: newMessages()},
		dialUDP(t, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)))
}

// TestSendSkipsWhatDoesNotGo: a reply that the kernel refuses is counted, and
// those before and behind it go.
func TestSendSkipsWhatDoesNotGo(t *testing.T) {
	fd, l, client := loopForTest(t)
	port := client.LocalAddr().(*net.UDPAddr).Port
	// Broadcast without SO_BROADCAST is EACCES, and from 127.0.0.1 nothing goes abroad.
	to := [][4]byte{{127, 0, 0, 1}, {255, 255, 255, 255}, {127, 0, 0, 1}, {255, 255, 255, 255}, {255, 255, 255, 255}, {127, 0, 0, 1}}
	for i, addr := range to {
		from := binary.NativeEndian.AppendUint16(l.from[i][:0], unix.AF_INET)
		from = binary.BigEndian.AppendUint16(from, uint16(port))
		copy(l.from[i][len(from):], addr[:])
		l.in[i].Namelen = unix.SizeofSockaddrInet4
		l.in[i].SetControllen(0)
		l.reply(i, i, append(l.replies[i:i], byte(i)))
	}
	l.send(fd, len(to))
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	for _, want := range []byte{0, 2, 5} {
		buf := make([]byte, 16)
		if n, err := client.Read(buf); err != nil || n != 1 || buf[0] != want {
			t.Errorf("reply %d: %v %v", want, buf[:n], err)
		}
	}
	if n := l.worker.n.sendErrors.Load(); n != 3 {
		t.Errorf("%d send errors", n)
	}
}

// TestAhead: answers of a batch that was looked up ahead are those that each
// query gets alone, whatever it is, also before the first snapshot.
func TestAhead(t *testing.T) {
	fd, l, client := loopForTest(t)
	a := l.worker.a
	var queries [][]byte
	for _, line := range questionsOf(t) {
		if !strings.HasPrefix(line, "tcp ") {
			queries = append(queries, dnstest.Ask(t, line))
		}
	}
	queries = append(queries, badPackets(t)[:600]...)
	c := settingsForTest()
	c.Cookies = false // they hold the second in which they were made
	a.SetDNS(c)
	_, alone := workerForTest(t, c)
	from := client.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, far := range []bool{true, false} {
		v := *a.view.Load()
		v.far = far
		a.view.Store(&v)
		for rest := queries; len(rest) > 0; {
			n := min(len(rest), batch)
			var want [][]byte
			for _, q := range rest[:n] {
				client.Write(q)
				if r := alone.Answer(make([]byte, 0, udpReply), q, from, time.Now(), UDP); len(r) > 0 {
					want = append(want, r)
				}
			}
			if l.answer(fd, unix.MSG_DONTWAIT) {
				t.Fatal("nothing came")
			}
			buf := make([]byte, udpReply)
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			for i := range want {
				k, err := client.Read(buf)
				if err != nil || !bytes.Equal(buf[:k], want[i]) {
					t.Fatalf("far %v: %v\ngot  %x\nwant %x", far, err, buf[:k], want[i])
				}
			}
			rest = rest[n:]
		}
	}
	if n := a.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
	// Looking ahead is no reason to lose an answer, whatever happens there.
	a.view.Store(&view{far: true})
	client.Write(dnstest.Ask(t, "www.example.test. A"))
	client.Write(dnstest.Ask(t, "www.example.test. A"))
	l.answer(fd, unix.MSG_DONTWAIT)
	if s := a.Stats(); s.Panics != 1 || s.Rcodes["SERVFAIL"] != 2 {
		t.Errorf("after a panic: %+v", s)
	}
}

// TestDontFragment: IPv4 replies are not to be fragmented on their way; a
// socket that cannot send one in one piece gives that up, once.
func TestDontFragment(t *testing.T) {
	fd, l, client := loopForTest(t)
	mode := func() int {
		n, err := unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := mode(); got != unix.IP_PMTUDISC_PROBE {
		t.Errorf("mode %d, want %d", got, unix.IP_PMTUDISC_PROBE)
	}
	port := client.LocalAddr().(*net.UDPAddr).Port
	for i, reply := range [][]byte{make([]byte, 65508), {1}} { // the first exceeds UDP itself, fragments or not
		from := binary.NativeEndian.AppendUint16(l.from[i][:0], unix.AF_INET)
		from = binary.BigEndian.AppendUint16(from, uint16(port))
		copy(l.from[i][len(from):], []byte{127, 0, 0, 1})
		l.in[i].Namelen = unix.SizeofSockaddrInet4
		l.in[i].SetControllen(0)
		l.reply(i, i, reply)
	}
	l.send(fd, 2)
	buf := make([]byte, 16)
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := client.Read(buf); err != nil || n != 1 {
		t.Errorf("the second reply: %d octets, %v", n, err)
	}
	if got, errs := mode(), l.worker.n.sendErrors.Load(); got != unix.IP_PMTUDISC_OMIT || errs != 1 {
		t.Errorf("mode %d, want %d; %d send errors, want 1", got, unix.IP_PMTUDISC_OMIT, errs)
	}
}
