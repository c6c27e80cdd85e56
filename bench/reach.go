//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shunt-dns/shunt/internal/peertest"
)

// A reach is how long it took until servers beside shunt served a flip of
// many services; a value for each flip, from the answer to the first probe
// that failed. Shunt needs three of them to decide.
type reach struct {
	title    string
	zones    int
	each     int                        // services of each zone
	served   map[string][]time.Duration // by server: until it served the last of them
	all      []time.Duration            // until all servers did
	verified []time.Duration            // until shunt had seen that; none of secondaries
	faults   []time.Duration            // until all servers did, from the fault itself
	whole    int                        // zones that secondaries took whole, by AXFR, instead of what changed
	goal     time.Duration              // for all of it, with verification where there is one
	lacks    []string                   // what the machine has not, as words
}

const (
	reachHost    = "reach.bench.test" // that its probes ask for
	reachLimit   = 30 * time.Second   // for a flip to come
	reachPause   = 2 * time.Millisecond
	pushGoal     = 3 * time.Second
	transferGoal = 2 * time.Second
)

// A troupe is a shunt and the servers beside it.
type troupe struct {
	*reach
	l     *lab
	shunt *server
	cast  []*member
}

// A member is a server beside shunt.
type member struct {
	*peertest.Server
	proc *process
}

// reaching measures how soon a flip of services of ten zones is served by
// secondaries, and by providers, times times each.
func (l *lab) reaching(ctx context.Context, shunt string, zones, each, times int, r *report) error {
	for _, c := range []struct {
		title    string
		kinds    []string
		provider bool
		goal     time.Duration
	}{
		{"secondaries, by NOTIFY and IXFR with TSIG", []string{"bind", "knot", "nsd", "pdns"}, false, transferGoal},
		{"providers, by dynamic update with TSIG", []string{"bind", "knot"}, true, pushGoal},
	} {
		say("a flip of %s services reaches %s", thousands(zones*each), c.title)
		t := &troupe{l: l, reach: &reach{title: c.title, zones: zones, each: each, served: map[string][]time.Duration{}, goal: c.goal}}
		err := t.begin(shunt, c.kinds, c.provider)
		for i := 0; err == nil && len(t.cast) > 0 && i < times; i++ {
			err = t.flip(ctx)
		}
		t.end()
		if err != nil {
			return fmt.Errorf("%s: %w", c.title, err)
		}
		r.reaches = append(r.reaches, t.reach)
	}
	return nil
}

// origins returns the zones of a reach, with the dot at the end. They have
// other records too.
func (r *reach) origins() (all []string) {
	for i := range r.zones {
		all = append(all, otherZone(i)+".")
	}
	return all
}

// begin starts shunt, and the kinds of servers that this machine has.
func (t *troupe) begin(shunt string, kinds []string, provider bool) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
	for _, kind := range kinds {
		if what := peertest.Missing(kind); what != "" {
			t.lacks = append(t.lacks, what)
			continue
		}
		m, err := t.member(kind, provider, at)
		if err != nil {
			return err
		}
		t.cast = append(t.cast, m)
	}
	if len(t.cast) == 0 {
		return nil
	}
	t.l.others = t.zones
	defer func() { t.l.others = 0 }()
	p := shuntPeer(shunt)
	p.name = "shunt reaching"
	p.files = func(s site) map[string]string {
		s.port = port
		return reachFiles(s, t.reach, t.cast, provider)
	}
	t.shunt, err = t.l.alone(p, 1, t.l.web.port)
	if err != nil {
		return err
	}
	t.shunt.port = port
	return nil
}

// member configures one server and starts it, on all CPUs.
func (t *troupe) member(kind string, provider bool, shunt netip.AddrPort) (*member, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(shunt.Addr(), uint16(port))
	dir, err := os.MkdirTemp(t.l.dir, kind+"-")
	if err != nil {
		return nil, err
	}
	m := &member{}
	if provider {
		m.Server, err = peertest.Provider(kind, dir, at, netip.AddrPort{}, t.origins())
	} else {
		m.Server, err = peertest.Secondary(kind, dir, at, peertest.Primary{Addr: shunt, Zones: t.origins()})
	}
	if err != nil {
		return nil, err
	}
	var every unix.CPUSet
	every.Fill()
	m.proc, err = startOn(every, dir, filepath.Join(dir, "log"), m.Argv)
	return m, err
}

// end stops all.
func (t *troupe) end() {
	for _, m := range t.cast {
		m.proc.stop()
		os.RemoveAll(m.Dir)
	}
	if t.shunt != nil {
		t.shunt.stop()
	}
}

// reachFiles returns the configuration of shunt beside servers.
func reachFiles(s site, r *reach, cast []*member, provider bool) map[string]string {
	var zones, beside strings.Builder
	for _, name := range s.others {
		fmt.Fprintf(&zones, "  - name: %s\n    file: %s\n    services:\n", name, s.file(name))
		for i := range r.each {
			fmt.Fprintf(&zones, "      - {name: s%d, pools: [p0, p1], ttl: 30s, moves: 0}\n", i)
		}
	}
	if provider {
		beside.WriteString("providers:\n")
		for _, m := range cast {
			beside.WriteString(m.Described(""))
		}
	} else {
		var secondaries strings.Builder
		beside.WriteString("keys:\n")
		for _, m := range cast {
			key := strings.TrimSuffix(m.Key, ".")
			fmt.Fprintf(&beside, "  - {name: %s, algorithm: hmac-sha256, secret_file: push.key}\n", key)
			fmt.Fprintf(&secondaries, "  - {name: %s, address: %q, key: %s}\n", m.Kind, m.At, key)
		}
		beside.WriteString("secondaries:\n" + secondaries.String())
	}
	return map[string]string{"push.key": peertest.Secret + "\n", "shunt.yaml": fmt.Sprintf(`node: {name: ns1.bench.test, state_dir: %[1]s/state}
listen: {dns: ["127.0.0.1:%[2]d"], control: %[1]s/c.sock}
monitors:
  - {name: web, http: {host: %[3]s, port: %[4]d, path: /}, interval: 1s, timeout: 1s, fall: %[5]d, rise: 1, hold_down: 0s}
pools:
  - {name: p0, addresses: [%[6]s], monitors: [web]}
  - {name: p1, addresses: [%[7]s], monitors: [web]}
zones:
%[8]s%[9]s`, s.dir, s.port, reachHost, s.web, fallShot, paths[0], paths[1], zones.String(), beside.String())}
}

// flip waits until all is in step, has the first path answer 500 at a random
// moment between probes, and measures what comes of it.
func (t *troupe) flip(ctx context.Context) error {
	if _, _, err := t.walk(ctx, paths[0]); err != nil {
		return err
	}
	if _, err := t.settled(ctx, 0); err != nil {
		return err
	}
	time.Sleep(rand.N(time.Second))
	began := time.Now()
	t.l.web.first.fail(fails)
	served, last, err := t.walk(ctx, paths[1])
	failed := t.l.web.first.failures(reachHost)
	if err == nil && len(failed) < fallShot {
		err = fmt.Errorf("answers changed after %d failures", len(failed))
	}
	var now reached
	if err == nil {
		if now, err = t.status(); err == nil {
			now, err = t.settled(ctx, now.Generation)
		}
	}
	if mended := t.l.web.first.mend(); err != nil || mended != nil {
		return fmt.Errorf("%w%v", err, mended)
	}
	for kind, at := range served {
		t.served[kind] = append(t.served[kind], at.Sub(failed[0]))
	}
	t.all = append(t.all, last.Sub(failed[0]))
	t.faults = append(t.faults, last.Sub(began))
	if len(now.Providers) > 0 {
		t.verified = append(t.verified, now.since().Sub(failed[0]))
	}
	t.whole += now.whole()
	return nil
}

// walk asks each server for all services until it has answered want to each of
// them once. It returns when each had, and the last.
func (t *troupe) walk(ctx context.Context, want string) (served map[string]time.Time, last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	served = map[string]time.Time{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, m := range t.cast {
		all.Go(func() {
			at, failure := t.walkOne(ctx, int(m.At.Port()), want)
			mu.Lock()
			defer mu.Unlock()
			served[m.Kind] = at
			if failure != nil {
				err = fmt.Errorf("%s: %w\n%s\nshunt: %s", m.Kind, failure, m.proc.tail(), t.shunt.proc.tail())
			}
		})
	}
	all.Wait()
	return served, slices.MaxFunc(slices.Collect(maps.Values(served)), time.Time.Compare), err
}

// walkOne goes through the zones side by side, each from its first service to
// its last, as they change: once the last one does, few are left to ask for.
func (t *troupe) walkOne(ctx context.Context, port int, want string) (time.Time, error) {
	c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return time.Time{}, err
	}
	defer c.Close()
	next := make([]int, t.zones)
	for open := t.zones; open > 0; {
		for z := range next {
			if next[z] == t.each {
				continue
			}
			for next[z] < t.each && answers(c, fmt.Sprintf("s%d.%s.", next[z], otherZone(z)), want) {
				next[z]++
			}
			if next[z] == t.each {
				open--
				continue
			}
			if ctx.Err() != nil {
				return time.Time{}, fmt.Errorf("s%d.%s does not become %s: %w", next[z], otherZone(z), want, ctx.Err())
			}
			time.Sleep(reachPause) // each question costs the CPU that the servers need
		}
	}
	return time.Now(), nil
}

// answers asks once for name, and reports whether the answer is want alone.
func answers(c net.Conn, name, want string) bool {
	q := ask(name, 1, typeA, 0, 1)
	id := uint16(rand.Uint32())
	buf := make([]byte, packet)
	if _, err := c.Write(buf[:q.write(buf, id, 0)]); err != nil {
		return false
	}
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	for {
		n, err := c.Read(buf)
		if err != nil {
			return false
		}
		if n > 1 && buf[0] == byte(id>>8) && buf[1] == byte(id) { // else the answer to one that was given up
			return gives(buf[:n], want)
		}
	}
}

// A reached is what is read of the status of shunt.
type reached struct {
	Generation uint64
	Providers  []struct {
		State    string
		Since    time.Time
		Verified uint64
	}
	Secondaries []struct {
		State    string
		Transfer *struct{ Kind string } `json:"last_transfer"`
	}
}

// since returns when the last provider came to be in step.
func (s reached) since() (last time.Time) {
	for _, p := range s.Providers {
		if p.Since.After(last) {
			last = p.Since
		}
	}
	return last
}

// whole counts the secondaries that took their last change by AXFR.
func (s reached) whole() (n int) {
	for _, one := range s.Secondaries {
		if one.Transfer == nil || one.Transfer.Kind == "axfr" {
			n++
		}
	}
	return n
}

// inStep reports whether all that is beside shunt is in step, and has been
// seen to serve this generation or a later one.
func (s reached) inStep(generation uint64) bool {
	for _, p := range s.Providers {
		if p.State != "in step" || p.Verified < generation {
			return false
		}
	}
	for _, one := range s.Secondaries {
		if one.State != "in step" {
			return false
		}
	}
	return true
}

// settled waits until all is in step, as shunt says itself, and returns what it
// says. Since when it is that, it says too: this may look seldom.
func (t *troupe) settled(ctx context.Context, generation uint64) (reached, error) {
	for end := time.Now().Add(reachLimit); ; time.Sleep(100 * time.Millisecond) {
		s, err := t.status()
		if err == nil && s.inStep(generation) {
			return s, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || time.Now().After(end) || t.shunt.proc.ended() {
			return s, fmt.Errorf("not in step (%v): %+v\n%s", err, s, t.shunt.proc.tail())
		}
	}
}

// status asks shunt over its control socket.
func (t *troupe) status() (s reached, err error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(t.shunt.dir, "c.sock"))
	}}}
	reply, err := c.Get("http://shunt/v1/status")
	if err != nil {
		return s, err
	}
	defer reply.Body.Close()
	return s, json.NewDecoder(reply.Body).Decode(&s)
}

// beside measures what goes out to servers beside shunt.
func (l *lab) beside(ctx context.Context, o options, r *report) error {
	shunt := l.own()
	if shunt == "" {
		return nil
	}
	zones, each, times := 10, 100, min(2*o.rounds, 7)
	if o.short {
		zones, each, times = 3, 20, 1
	}
	return l.reaching(ctx, shunt, zones, each, times, r)
}
