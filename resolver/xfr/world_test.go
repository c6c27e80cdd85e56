package xfr

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/zone"
)

func TestMain(m *testing.M) {
	flag.Set("rapid.checks", "40") // each makes servers; -rapid.checks makes it more
	goleak.VerifyTestMain(m)
}

// secret keys every TSIG of these tests.
const secret = "a secret of thirty-two octets..."

// tsigSecrets is secret as miekg/dns wants it.
var tsigSecrets = map[string]string{"k.test.": base64.StdEncoding.EncodeToString([]byte(secret))}

// testKey is the key named k.test.
func testKey(algorithm string) config.Key {
	return config.Key{Name: "k.test.", Algorithm: algorithm, Secret: config.NewSecret(secret)}
}

// testZone is a zone of that origin: what every zone here has, then text, and
// the service www.
func testZone(t testing.TB, origin, text string) *zone.Zone {
	t.Helper()
	files := fstest.MapFS{"z": {Data: []byte("$TTL 60\n@ SOA ns hm 1 7200 900 1209600 60\n@ NS ns\nns A 192.0.2.53\n" + text)}}
	z, problems := zone.Parse(config.Zone{Name: origin, File: "z", Max: 1_000_000, Services: []config.Service{
		{Name: "www." + origin, Policy: config.Failover, Pools: []config.Choice{{Pool: "p"}}, TTL: 30 * time.Second},
	}}, "ns.test.", files)
	if problems != nil {
		t.Fatal(problems)
	}
	return z
}

// answering is www answering with 192.0.2.n.
func answering(n int) *zone.Steered {
	return zone.Pack([]zone.Variant{{Pool: "p", Weight: 1, TTL: 30, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}}})
}

// A world is a Primary that runs, behind a resolver on loopback.
type world struct {
	t      testing.TB
	dir    string
	cfg    *config.Config
	p      *Primary
	server *resolver.Server
	addr   netip.AddrPort
	events chan event.Event
	log    *lockedLog
	stop   func()
}

// A lockedLog is the log of a world.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newWorld runs a Primary with cfg, whose state is in dir.
func newWorld(t testing.TB, dir string, cfg *config.Config) *world {
	t.Helper()
	if cfg.Transfer.Content == "" {
		cfg.Transfer.Content = config.OnePool
	}
	w := &world{t: t, dir: dir, cfg: cfg, events: make(chan event.Event, 1000), log: &lockedLog{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	if w.p, err = New(cfg, Deps{Dir: dir, Log: log, Event: func(e event.Event) { w.events <- e }}); err != nil {
		t.Fatal(err)
	}
	if w.server, err = resolver.Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, serverDNS(), log); err != nil {
		t.Fatal(err)
	}
	w.server.SetAside(w.p)
	w.addr = w.server.Addrs()[0]
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.server.Serve(ctx) })
	running.Go(func() {
		if err := w.p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Log(w.log)
		}
	})
	return w
}

// serverDNS are settings that get in nobody's way.
func serverDNS() config.DNS {
	return config.DNS{UDPSize: 1232, TCP: config.TCP{Connections: 100, PerClient: 100, Idle: 10 * time.Second, MessageSize: 4096}}
}

// publish makes zones the content, www answering with 192.0.2.n, all zones at
// serial, and waits until transfers are of that.
func (w *world) publish(zones []*zone.Zone, n int, serial uint32) *zone.Snapshot {
	w.t.Helper()
	return w.publishSet(zone.NewSet(zones), n, serial)
}

func (w *world) publishSet(set *zone.Set, n int, serial uint32) *zone.Snapshot {
	w.t.Helper()
	serials := make([]uint32, len(set.Zones()))
	for i := range serials {
		serials[i] = serial
	}
	s := set.Snapshot(uint64(serial), slices.Repeat([]*zone.Steered{answering(n)}, len(set.Groups())), serials)
	w.server.Swap(s)
	w.p.Publish(s)
	w.until("the snapshot is settled", func() bool { return w.p.state.Load().snapshot == s })
	return s
}

// until waits for ok.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within ten seconds\n%s", what, w.log)
		}
	}
}

// take transfers as a secondary does. A nil ixfr is AXFR; else it is the serial
// that the client has.
func (w *world) take(origin string, ixfr *uint32, key bool) ([]dns.RR, error) {
	return takeFrom(w.addr.String(), origin, ixfr, key)
}

func takeFrom(addr, origin string, ixfr *uint32, key bool) ([]dns.RR, error) {
	m := new(dns.Msg)
	if ixfr == nil {
		m.SetAxfr(origin)
	} else {
		m.SetIxfr(origin, *ixfr, "ns."+origin, "hm."+origin)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &dns.Conn{Conn: conn}
	tr := &dns.Transfer{Conn: c}
	if key {
		m.SetTsig("k.test.", dns.HmacSHA256, 300, time.Now().Unix())
		c.TsigSecret, tr.TsigSecret = tsigSecrets, tsigSecrets
	}
	envelopes, err := tr.In(m, addr)
	if err != nil {
		return nil, err
	}
	var all []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			err = e.Error
		}
		all = append(all, e.RR...)
	}
	return all, err
}

// lines returns records as sorted lines, spaces folded.
func linesOf(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		out = append(out, strings.Join(strings.Fields(rr.String()), " "))
	}
	slices.Sort(out)
	return out
}

// whole returns the zone that AXFR gives, without the SOA at its end.
func (w *world) whole(origin string) []string {
	w.t.Helper()
	rrs, err := w.take(origin, nil, false)
	if err != nil || len(rrs) < 2 {
		w.t.Fatalf("AXFR %s: %v %v", origin, rrs, err)
	}
	if rrs[0].String() != rrs[len(rrs)-1].String() {
		w.t.Fatalf("AXFR %s begins with %v and ends with %v", origin, rrs[0], rrs[len(rrs)-1])
	}
	return linesOf(rrs[:len(rrs)-1])
}

// apply applies the answer to IXFR to a zone (RFC 1995 §4), and says of which
// kind it was.
func apply(have []string, answer []dns.RR) (zone []string, kind Kind, err error) {
	if len(answer) == 1 {
		return have, SOA, nil
	}
	if _, ok := answer[1].(*dns.SOA); !ok {
		return linesOf(answer[:len(answer)-1]), AXFR, nil
	}
	zone = slices.Clone(have)
	adding := true
	for _, rr := range answer[1 : len(answer)-1] {
		line := linesOf([]dns.RR{rr})[0]
		if _, ok := rr.(*dns.SOA); ok {
			adding = !adding
		}
		at := slices.Index(zone, line)
		switch {
		case adding && at >= 0:
			return nil, IXFR, fmt.Errorf("adds what is there: %s", line)
		case adding:
			zone = append(zone, line)
		case at < 0:
			return nil, IXFR, fmt.Errorf("deletes what is not there: %s", line)
		default:
			zone = slices.Delete(zone, at, at+1)
		}
	}
	slices.Sort(zone)
	return zone, IXFR, nil
}
