//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// A load is how long a server took from its start to the first right answer,
// and what it then held in memory; a value each time.
type load struct {
	names int
	zones int // beside the one of these names, of smallZone records each
	ready map[string][]time.Duration
	bytes map[string][]int // resident, per name of the zone
}

// settle is given to a server after loading, before its memory is read.
const settle = 500 * time.Millisecond

// loading starts each server alone with a zone of n names, times times.
func (l *lab) loading(ctx context.Context, n, times int) (load, error) {
	say("loading %s names", thousands(n))
	r := load{names: n, zones: l.others, ready: map[string][]time.Duration{}, bytes: map[string][]int{}}
	w := works(n)[0]
	for range times {
		for _, p := range l.peers {
			if p.can&static == 0 {
				continue
			}
			if err := l.loadOnce(ctx, p, n, w, r); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func (l *lab) loadOnce(ctx context.Context, p peer, n int, w work, r load) error {
	s, err := l.prepare(p, n)
	if err != nil {
		return err
	}
	defer s.stop()
	began := time.Now()
	if err := s.launch(l); err != nil {
		return err
	}
	if err := await(ctx, w, s, time.Minute); err != nil {
		return err
	}
	r.ready[p.name] = append(r.ready[p.name], time.Since(began))
	time.Sleep(settle)
	r.bytes[p.name] = append(r.bytes[p.name], s.proc.memory()/(n+l.others*smallZone))
	return nil
}

// A reload is what 20,000 queries a second saw while a server took a changed
// zone file; a value each time.
type reload struct {
	names int
	zones int                        // beside the one of these names, of smallZone records each
	all   bool                       // every record changes, not one
	goal  time.Duration              // for shunt
	after map[string][]time.Duration // from the signal to the first new answer; limit: not seen
	lost  map[string][]int
	peak  map[string][]float64 // most memory over the memory before
	limit time.Duration
}

const (
	reloadRate = 20_000
	before     = 500 * time.Millisecond // of load, before the signal and after the new answer
)

// title says what was reloaded.
func (r reload) title() string {
	what := thousands(r.names) + " names"
	if r.zones > 0 {
		what = fmt.Sprintf("%s zones × %s records", thousands(r.zones+1), thousands(smallZone))
	}
	if r.all {
		return what + ", all changed"
	}
	return what + ", one record changed"
}

// memoryGoal is how many times what shunt held before a reload it may hold in
// it.
const memoryGoal = 2

// reloading changes the zone of each server, times times. R says how, and
// first is the serial number to begin with.
func (l *lab) reloading(ctx context.Context, servers []*server, r reload, first, times int) (reload, error) {
	r.after, r.lost, r.peak, r.zones = map[string][]time.Duration{}, map[string][]int{}, map[string][]float64{}, l.others
	say("reloading under load: %s", r.title())
	w := works(r.names)[0]
	for i := range times {
		for _, s := range servers {
			if s.reload == nil || !s.fits(w) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return r, err
			}
			if r.all {
				s.ttl++
			}
			if err := s.reloadOnce(w, r.names, first+i, r); err != nil {
				return r, fmt.Errorf("%s, reload: %w\n%s", s.name, err, s.proc.tail())
			}
		}
	}
	return r, nil
}

// reloadOnce gives s the zone with this serial under load.
func (s *server) reloadOnce(w work, n, serial int, r reload) error {
	time.Sleep(time.Second) // the file's new time of change must differ in whole seconds
	if err := s.zoneFile(n, serial); err != nil {
		return err
	}
	ask, err := newWatch(s.port, "now."+origin, marker(serial))
	if err != nil {
		return err
	}
	defer ask.close()
	load, err := newSender(s.port, &w.ask)
	if err != nil {
		return err
	}
	defer load.close()
	held := s.proc.resident()
	var signalled, seen time.Duration
	told := make(chan error, 1)
	err = load.pace(reloadRate, before+r.limit, func(now time.Duration) bool {
		switch {
		case now < before:
		case signalled == 0:
			signalled = now
			go func() { told <- s.reload(s.proc, s.site) }()
		case seen == 0:
			if ask.changed(now) {
				seen = load.since()
			}
		}
		return seen == 0 || now < seen+before
	})
	if err != nil {
		return err
	}
	if signalled > 0 {
		if err := <-told; err != nil { // the answers show what came of it
			say("%s: %v", s.name, err)
		}
	}
	after := r.limit
	if seen > 0 {
		after = seen - signalled
	}
	r.after[s.name] = append(r.after[s.name], after)
	r.lost[s.name] = append(r.lost[s.name], load.lost+load.wrong)
	r.peak[s.name] = append(r.peak[s.name], float64(s.proc.peak())/float64(max(held, 1)))
	return nil
}

// A watch asks for an address that is about to change, once a millisecond.
type watch struct {
	fd    int
	query []byte
	want  string
	last  time.Duration
}

func newWatch(port int, name, want string) (*watch, error) {
	q := ask(name, 1, typeA, 0, 1)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &watch{fd: fd, query: q.packet, want: want}, nil
}

func (w *watch) close() { unix.Close(w.fd) }

// changed says whether the new answer has come.
func (w *watch) changed(now time.Duration) bool {
	if now-w.last > time.Millisecond {
		w.last = now
		unix.Write(w.fd, w.query) // lost ones are asked again
	}
	var buf [packet]byte
	n, err := unix.Read(w.fd, buf[:])
	if err != nil {
		return false
	}
	return gives(buf[:n], w.want)
}

// gives reports whether the answer in reply is the address want alone.
func gives(reply []byte, want string) bool {
	var m dns.Msg
	if m.Unpack(reply) != nil || len(m.Answer) != 1 {
		return false
	}
	a, ok := m.Answer[0].(*dns.A)
	return ok && a.A.String() == want
}

// resident returns the resident octets of the tree, shared pages counted in
// each process, and begins to watch for the peak.
func (p *process) resident() int {
	for _, pid := range p.tree() {
		os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // resets VmHWM
	}
	return p.status("VmRSS:")
}

// peak returns the most that was resident since, summed over the processes.
func (p *process) peak() int { return p.status("VmHWM:") }

func (p *process) status(key string) int {
	sum := 0
	for _, pid := range p.tree() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, key); ok {
				kb, _ := strconv.Atoi(strings.Fields(rest)[0])
				sum += kb << 10
			}
		}
	}
	return sum
}

var completed = regexp.MustCompile(`Queries completed:\s+(\d+)`)

// dnsperf measures static names with dnsperf instead of our own sender.
func (l *lab) dnsperf(ctx context.Context, o options, servers []*server) (map[string][]time.Duration, error) {
	if _, err := find("dnsperf"); err != nil {
		return nil, err
	}
	say("dnsperf")
	path := filepath.Join(l.dir, "queries")
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "h%07d.%s A\n", i*7919%o.names, origin)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	cpus := map[string][]time.Duration{}
	for range o.rounds {
		for _, s := range servers {
			if s.can&static == 0 {
				continue
			}
			start := s.proc.cpu()
			out, err := exec.CommandContext(ctx, "dnsperf", "-s", "127.0.0.1", "-p", fmt.Sprint(s.port), "-d", path, "-e",
				"-q", fmt.Sprint(window), "-l", fmt.Sprint(max(1, int(o.length.Seconds())))).CombinedOutput()
			end := s.proc.cpu()
			m := completed.FindSubmatch(out)
			if err != nil || m == nil {
				return nil, fmt.Errorf("dnsperf: %v\n%s", err, out)
			}
			n, _ := strconv.Atoi(string(m[1]))
			cpus[s.name] = append(cpus[s.name], spent(start, end)/time.Duration(max(n, 1)))
		}
	}
	return cpus, nil
}
