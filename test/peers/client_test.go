//go:build peers

package peers

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// ask runs dig or kdig with arguments against a server, and returns what it
// prints, its spaces folded.
func ask(t testing.TB, program string, at netip.AddrPort, args string) string {
	t.Helper()
	argv := append([]string{"@" + at.Addr().String(), "-p", fmt.Sprint(at.Port())}, strings.Fields(args)...)
	if program == "dig" {
		argv = append([]string{"-r"}, argv...) // not what a user's .digrc wants
	}
	out, err := exec.Command(program, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args, err, out)
	}
	return folded(string(out))
}

// folded returns text with each run of spaces as one, line by line.
func folded(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// both asks with dig and with kdig for the records of the answer alone, which
// must be these, in any order.
func both(t *testing.T, at netip.AddrPort, question string, want ...string) {
	t.Helper()
	for _, program := range []string{"dig", "kdig"} {
		got := ask(t, program, at, question+" +noall +answer")
		if sorted(got) != sorted(strings.Join(want, "\n")) {
			t.Errorf("%s %s:\n%s\nwant\n%s", program, question, got, strings.Join(want, "\n"))
		}
	}
}

// sorted returns text with its lines sorted and empty ones left out.
func sorted(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A watcher asks a server without end, and notes every reply that is not
// NOERROR with an answer: "no window without an answer".
type watcher struct {
	stop chan struct{}
	done sync.WaitGroup

	asked   int
	wrong   []string      // the first few
	slowest time.Duration // reply
}

// watch begins to ask at for the addresses of names, in turn.
func watch(at netip.AddrPort, names ...string) *watcher {
	w := &watcher{stop: make(chan struct{})}
	w.done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-w.stop:
				return
			case <-time.After(2 * time.Millisecond):
				w.look(at, names[i%len(names)])
			}
		}
	})
	return w
}

// look asks for one name.
func (w *watcher) look(at netip.AddrPort, name string) {
	w.asked++
	began := time.Now()
	m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), at.String())
	w.slowest = max(w.slowest, time.Since(began))
	switch {
	case len(w.wrong) > 5:
	case err != nil:
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s: %v", began.Format(time.StampMilli), name, err))
	case m.Rcode != dns.RcodeSuccess, len(m.Answer) == 0:
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s: %s, %d answers", began.Format(time.StampMilli), name, dns.RcodeToString[m.Rcode], len(m.Answer)))
	}
}

// end stops asking and fails t if ever an answer was missing.
func (w *watcher) end(t testing.TB) {
	t.Helper()
	close(w.stop)
	w.done.Wait()
	t.Logf("asked %d times meanwhile: %d without an answer, the slowest took %v", w.asked, len(w.wrong), w.slowest.Round(time.Microsecond))
	for _, s := range w.wrong {
		t.Errorf("no answer: %s", s)
	}
}

// asNetwork makes m a question of client network i.
func asNetwork(m *dns.Msg, i int) *dns.Msg {
	m.SetEdns0(1232, false)
	o := m.IsEdns0()
	o.Option = append(o.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(100, byte(i>>8), byte(i), 0)})
	return m
}

// sample asks n times over one socket, each time as another client network,
// and counts what pick makes of the replies.
func sample(t testing.TB, at netip.AddrPort, name string, n int, pick func(*dns.Msg) string) map[string]int {
	t.Helper()
	c, err := dns.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	count := map[string]int{}
	for i := range n {
		c.SetDeadline(time.Now().Add(patience))
		if err := c.WriteMsg(asNetwork(new(dns.Msg).SetQuestion(name, dns.TypeA), i)); err != nil {
			t.Fatal(err)
		}
		m, err := c.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		count[pick(m)]++
	}
	return count
}

// A resolver is one Unbound, as it stands in front of clients.
type resolver struct {
	*process
	addr netip.AddrPort
}

// cacheFor is how long Unbound keeps an answer at most, in seconds: the tests
// cannot wait for the TTLs that they serve.
const cacheFor = 2

// startUnbound starts Unbound. It asks the server at authority for zone, and
// public for everything below each of others.
func startUnbound(t testing.TB, zone string, authority, public netip.AddrPort, others ...string) *resolver {
	t.Helper()
	dir := t.TempDir()
	r := &resolver{addr: freeDNS(t)}
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
	interface: %s@%d
	directory: "%s"
	chroot: ""
	username: ""
	pidfile: "unbound.pid"
	do-daemonize: no
	use-syslog: no
	do-ip6: no
	num-threads: 1
	module-config: "iterator"
	do-not-query-localhost: no
	cache-max-ttl: %d
	cache-max-negative-ttl: %d
remote-control:
	control-enable: no
stub-zone:
	name: "%s"
	stub-addr: %s@%d
	stub-no-cache: no
`, r.addr.Addr(), r.addr.Port(), dir, cacheFor, cacheFor, zone, authority.Addr(), authority.Port())
	for _, name := range others {
		fmt.Fprintf(&conf, "forward-zone:\n\tname: %q\n\tforward-addr: %s@%d\n", name, public.Addr(), public.Port())
	}
	path := write(t, filepath.Join(dir, "unbound.conf"), conf.String())
	r.process = start(t, dir, "unbound", "unbound", "-d", "-p", "-c", path)
	r.until("it answers", func() bool {
		_, err := dns.Exchange(new(dns.Msg).SetQuestion("localhost.", dns.TypeA), r.addr.String())
		return err == nil
	})
	return r
}

// freeDNS returns an address of loopback that is free for UDP and TCP.
func freeDNS(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).AddrPort()
		pc, err := net.ListenPacket("udp", at.String())
		l.Close()
		if err == nil {
			pc.Close()
			return at
		}
	}
	t.Fatal("no port of 127.0.0.1 is free for both UDP and TCP")
	return netip.AddrPort{}
}
