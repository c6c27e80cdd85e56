//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/peertest"
)

// wideBound is how long a failover may take to reach secondaries before a test
// fails; how long it takes is logged.
const wideBound = 10 * time.Second

// A troupe is one hidden primary and its secondaries.
type troupe struct {
	*stage
	at      netip.AddrPort // where shunt answers
	list    []*secondary
	told    map[string]netip.AddrPort // where a secondary is told, if that is not where it is
	zones   []string
	catalog string
	listen  string // further listeners
	more    int    // services of each zone beside www: s0, s1, …
	node    *node
}

// secondaryAddrs are where secondaries answer. BIND listens on no address that
// the system does not list, though all of 127.0.0.0/8 is ours.
var secondaryAddrs = map[string]string{"bind": "127.0.0.1", "knot": "127.0.3.3", "nsd": "127.0.3.4", "pdns": "127.0.3.5"}

var troupeZones = []string{"example.test.", "two.test."}

// newTroupe writes configurations for shunt and the named kinds of secondaries.
func newTroupe(t *testing.T, catalog string, kinds ...string) *troupe {
	t.Helper()
	tr := &troupe{stage: newStage(t, ""), at: place(t, "127.0.3.1"), told: map[string]netip.AddrPort{}, zones: troupeZones, catalog: catalog}
	for _, kind := range kinds {
		at := place(t, secondaryAddrs[kind])
		tr.list = append(tr.list, newSecondary(t, kind, at, peertest.Primary{Addr: tr.at, Zones: tr.zones, Catalog: catalog}))
	}
	return tr
}

// shunt writes the configuration of shunt and starts it.
func (tr *troupe) shunt() {
	tr.t.Helper()
	tr.configure()
	tr.node = serve(tr.t, tr.dir)
}

// configure writes the configuration of shunt.
func (tr *troupe) configure() {
	var zones, keys, secondaries strings.Builder
	for _, z := range tr.zones {
		z = strings.TrimSuffix(z, ".")
		write(tr.t, filepath.Join(tr.dir, z+".zone"), fmt.Sprintf("$TTL 300\n@ IN SOA ns1 hostmaster 1 60 10 86400 60\n@ IN NS ns1\nns1 IN A 192.0.2.53\nmail IN A 192.0.2.1\n@ IN TXT \"%s\"\n", z))
		fmt.Fprintf(&zones, "  - name: %s\n    file: %s.zone\n    services:\n      - {name: www, pools: [alpha, beta], ttl: 30s}\n", z, z)
		for i := range tr.more {
			fmt.Fprintf(&zones, "      - {name: s%d, pools: [alpha, beta], ttl: 30s}\n", i)
		}
	}
	for _, s := range tr.list {
		at := s.at
		if told, ok := tr.told[s.name]; ok {
			at = told
		}
		key := ", key: " + strings.TrimSuffix(keyOf(s.name), ".")
		if s.name == "pdns" && tr.catalog != "" {
			key = ""
		}
		fmt.Fprintf(&secondaries, "  - {name: %s, address: %q%s}\n", s.name, at, key)
		fmt.Fprintf(&keys, "  - {name: %s, algorithm: hmac-sha256, secret_file: transfer.key}\n", strings.TrimSuffix(keyOf(s.name), "."))
	}
	catalog := ""
	if tr.catalog != "" {
		catalog = ", catalog: " + strings.TrimSuffix(tr.catalog, ".")
	}
	write(tr.t, filepath.Join(tr.dir, "transfer.key"), keySecret+"\n")
	write(tr.t, filepath.Join(tr.dir, "shunt.yaml"), fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {%sdns: [%q], control: shunt.sock}
monitors:
  - {name: web, http: {host: www.example.test, port: %d}, interval: 300ms, timeout: 300ms, recheck: 50ms, rise: 3, hold_down: 1s, hold_down_max: 2s}
pools:
  - {name: alpha, addresses: [%s], monitors: [web]}
  - {name: beta, addresses: [%s], monitors: [web]}
zones:
%skeys:
%stransfer: {behind: 3s%s}
secondaries:
%s`, tr.listen, tr.at, tr.port, alphaAddr, betaAddr, &zones, &keys, catalog, &secondaries))
}

// begin starts all.
func (tr *troupe) begin() {
	tr.t.Helper()
	tr.shunt()
	for _, s := range tr.list {
		s.begin(tr.t)
	}
	tr.follow(alphaAddr)
}

// follow waits until every secondary answers all services with want, and
// returns how long that took each of them.
func (tr *troupe) follow(want netip.Addr) map[string]time.Duration {
	tr.t.Helper()
	began := time.Now()
	took := map[string]time.Duration{}
	for len(took) < len(tr.list) {
		for _, s := range tr.list {
			if _, ok := took[s.name]; !ok && !slices.ContainsFunc(tr.zones, func(z string) bool { return !s.is("www."+z, want.String()) }) {
				took[s.name] = time.Since(began)
			}
		}
		if time.Since(began) > 2*patience {
			tr.t.Fatalf("of %d secondaries, these follow within %v: %v\n%s", len(tr.list), 2*patience, took, tr.node.run("status"))
		}
		time.Sleep(2 * time.Millisecond)
	}
	return took
}

// same compares what every secondary serves with what shunt does, name by
// name, and the serials.
func (tr *troupe) same() {
	tr.t.Helper()
	for _, z := range tr.zones {
		ours := tr.node.ask(z, dns.TypeSOA).Answer[0].(*dns.SOA).Serial
		for _, s := range tr.list {
			s.until(fmt.Sprintf("it serves serial %d of %s", ours, z), func() bool { return s.serial(z) == ours })
			for _, q := range []struct {
				name string
				typ  uint16
			}{{"www." + z, dns.TypeA}, {"mail." + z, dns.TypeA}, {z, dns.TypeTXT}, {z, dns.TypeNS}, {"ns1." + z, dns.TypeA}, {"none." + z, dns.TypeA}, {"www." + z, dns.TypeMX}} {
				want := tr.node.ask(q.name, q.typ)
				got, err := s.exchange(new(dns.Msg).SetQuestion(q.name, q.typ))
				if err != nil {
					tr.t.Errorf("%s: %v", s.name, err)
					continue
				}
				if got.Rcode != want.Rcode || dataOf(got.Answer) != dataOf(want.Answer) {
					tr.t.Errorf("%s: %s %s: %s %s, want %s %s", s.name, q.name, dns.Type(q.typ), dns.RcodeToString[got.Rcode], dataOf(got.Answer), dns.RcodeToString[want.Rcode], dataOf(want.Answer))
				}
			}
		}
	}
}

// dataOf returns records without their TTLs, sorted.
func dataOf(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		rr.Header().Ttl = 0
		out = append(out, folded(rr.String()))
	}
	slices.Sort(out)
	return strings.Join(out, " | ")
}

// A seenSecondary is what the tests look at of a secondary in the status.
type seenSecondary struct {
	Name, State, Error string
	Zones, Behind      int
	Transfer           *struct {
		Kind, Zone string
		Octets     int
	} `json:"last_transfer"`
	CaughtUp float64 `json:"caught_up_in"`
}

// secondaries returns those of the status.
func (n *node) secondaries() map[string]seenSecondary {
	n.t.Helper()
	var r struct{ Secondaries []seenSecondary }
	if err := json.Unmarshal([]byte(n.run("status", "--json")), &r); err != nil {
		n.t.Fatal(err)
	}
	out := map[string]seenSecondary{}
	for _, s := range r.Secondaries {
		out[s.Name] = s
	}
	return out
}

// inStep waits until the status has every secondary in step.
func (tr *troupe) inStep() {
	tr.t.Helper()
	tr.node.until("every secondary is in step", func() bool {
		list := tr.node.secondaries()
		for _, s := range tr.list {
			if list[s.name].State != "in step" {
				return false
			}
		}
		return len(list) == len(tr.list)
	})
}

var everyKind = []string{"bind", "knot", "nsd", "pdns"}

// TestSecondariesFollow: BIND, Knot, NSD and PowerDNS serve what shunt does, a
// failover reaches all of them, and by IXFR; a crash of shunt, or of one of
// them, changes nothing in the end.
func TestSecondariesFollow(t *testing.T) {
	tr := newTroupe(t, "", everyKind...)
	tr.begin()
	tr.inStep()
	tr.same()
	t.Logf("at the start: %s", tr.node.run("status"))

	tr.fail(tr.alpha, cdntest.Status(503))
	failed := time.Now()
	took := tr.follow(betaAddr)
	t.Logf("from the first failing probe's fault to each secondary's answer: %v (all within %v)", took, time.Since(failed).Round(time.Millisecond))
	for name, d := range took {
		if d > wideBound {
			t.Errorf("%s took %v", name, d)
		}
	}
	tr.inStep()
	tr.same()
	for name, s := range tr.node.secondaries() {
		t.Logf("%s: %+v %+v", name, s, s.Transfer)
		if s.Transfer == nil || s.Transfer.Kind == "axfr" {
			t.Errorf("%s took the change by %+v", name, s.Transfer)
		}
	}

	tr.node.kill()
	tr.fail(tr.alpha, cdntest.Healthy())
	tr.list[1].kill()
	tr.shunt()
	tr.list[1].begin(t)
	tr.follow(alphaAddr)
	tr.inStep()
	tr.same()

	// In the middle of a change.
	tr.fail(tr.alpha, cdntest.Status(503))
	tr.node.until("answers move", func() bool { return tr.node.is(www, betaAddr.String()) })
	tr.node.kill()
	tr.shunt()
	tr.follow(betaAddr)
	tr.inStep()
	tr.same()
}

// TestDocumentedSecondaries: the configurations of docs/beside-your-providers.md
// make secondaries that follow.
func TestDocumentedSecondaries(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "", everyKind...)
	tr.zones = []string{"example.com."}
	for _, s := range tr.list {
		s.documented(t, tr.at)
	}
	tr.begin()
	tr.inStep()
	tr.fail(tr.alpha, cdntest.Status(503))
	t.Logf("from the fault to each secondary's answer: %v", tr.follow(betaAddr))
	tr.inStep()
	tr.same()
	for name, s := range tr.node.secondaries() {
		if s.Transfer == nil || s.Transfer.Kind != "ixfr" {
			t.Errorf("%s took the change by %+v", name, s.Transfer)
		}
	}
}

// TestDocumentedCatalog: so does Knot with the catalog of the document, in a
// folder that is made as it says.
func TestDocumentedCatalog(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "catalog.invalid.", "knot")
	tr.zones = troupeZones[:1]
	tr.list[0].documentedCatalog(t, tr.at)
	tr.begin()
	tr.inStep()
	tr.zones = troupeZones
	tr.configure()
	tr.node.run("reload")
	tr.follow(alphaAddr)
	tr.inStep()
	tr.same()
}

// TestManyServices: a failover of 1,000 services in ten zones reaches four
// secondaries; how long that takes is logged, and no more than bounded.
func TestManyServices(t *testing.T) {
	tr := newTroupe(t, "", everyKind...)
	tr.zones, tr.more = nil, 99
	for i := range 10 {
		tr.zones = append(tr.zones, fmt.Sprintf("zone%d.test.", i))
	}
	for i, s := range tr.list {
		tr.list[i] = newSecondary(t, s.name, s.at, peertest.Primary{Addr: tr.at, Zones: tr.zones})
	}
	tr.begin()
	tr.inStep()
	for range 3 {
		tr.fail(tr.alpha, cdntest.Status(503))
		tr.node.until("answers move", func() bool { return tr.node.is("s98.zone9.test.", betaAddr.String()) })
		took := tr.follow(betaAddr)
		t.Logf("from the first answer of shunt to each secondary's last: %v", took)
		for name, d := range took {
			if d > wideBound {
				t.Errorf("%s took %v", name, d)
			}
		}
		tr.inStep()
		tr.fail(tr.alpha, cdntest.Healthy())
		tr.follow(alphaAddr)
		tr.inStep()
	}
}

// A lossy forwarder passes messages on to a secondary, but for NOTIFY.
type lossy struct {
	conn net.PacketConn
	lost atomic.Int64
	deaf atomic.Bool // NOTIFY is lost
}

// newLossy forwards what reaches its address to to.
func newLossy(t *testing.T, to netip.AddrPort) *lossy {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.3.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{conn: conn}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			msg := append([]byte(nil), buf[:n]...)
			if l.deaf.Load() && msg[2]>>3&0xf == dns.OpcodeNotify {
				l.lost.Add(1)
				continue
			}
			go func() {
				out, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 3, 1)}, net.UDPAddrFromAddrPort(to))
				if err != nil {
					return
				}
				defer out.Close()
				out.SetDeadline(time.Now().Add(time.Second))
				out.Write(msg)
				reply := make([]byte, 4096)
				if n, err := out.Read(reply); err == nil {
					conn.WriteTo(reply[:n], from)
				}
			}()
		}
	}()
	return l
}

// TestNotifyIsLost: a secondary that NOTIFY does not reach is known to be
// behind, says so, and is told once NOTIFY comes through.
func TestNotifyIsLost(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "", "bind", "knot")
	l := newLossy(t, tr.list[0].at)
	tr.told["bind"] = netip.MustParseAddrPort(l.conn.LocalAddr().String())
	tr.begin()
	tr.inStep()
	l.deaf.Store(true)
	tr.fail(tr.alpha, cdntest.Status(503))
	tr.node.until("the alarm is raised", func() bool {
		return slices.ContainsFunc(tr.node.status().Alarms, func(a struct{ Code, Subject, What string }) bool {
			return a.Code == "secondary-behind" && a.Subject == "bind"
		})
	})
	t.Logf("status while NOTIFY is lost:\n%s", tr.node.run("status"))
	if s := tr.node.secondaries(); s["bind"].State != "behind" || s["knot"].State != "in step" {
		t.Errorf("%+v", s)
	}
	if l.lost.Load() < 4 { // two zones, more than once each
		t.Errorf("NOTIFY was sent %d times", l.lost.Load())
	}
	l.deaf.Store(false)
	tr.follow(betaAddr)
	tr.inStep()
	tr.same()
}

// TestCatalog: BIND, Knot and PowerDNS take which zones there are from the
// catalog, and serve one that is added, and no longer one that is gone.
func TestCatalog(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "catalog.test.", "bind", "knot", "pdns")
	tr.zones = troupeZones[:1]
	tr.begin()
	tr.inStep()
	tr.zones = troupeZones
	tr.configure()
	tr.node.run("reload")
	tr.follow(alphaAddr)
	tr.inStep()
	tr.same()
	t.Logf("status:\n%s", tr.node.run("status"))
	tr.zones = troupeZones[:1]
	tr.configure()
	tr.node.run("reload", "--force")
	for _, s := range tr.list {
		s.until("it no longer serves "+troupeZones[1], func() bool { return s.serial(troupeZones[1]) == 0 })
	}
	tr.inStep()
	tr.same()
}

// TestTransferOverTLS: kdig takes a zone over TLS, with the certificate
// verified, and so does BIND as a secondary, which follows a failover.
func TestTransferOverTLS(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "")
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	issue(t, ca, tr.dir, time.Now().AddDate(0, 6, 0))
	write(t, filepath.Join(tr.dir, "ca.pem"), string(ca.PEM()))
	dot := place(t, tr.at.Addr().String())
	tr.listen = fmt.Sprintf("dot: [%q], tls: {certificate: cert.pem, key: key.pem}, ", dot)
	tr.list = []*secondary{newSecondary(t, "bind", place(t, secondaryAddrs["bind"]), peertest.Primary{Addr: dot, Zones: tr.zones, TLS: true})}
	tr.begin()
	tr.inStep()
	options := fmt.Sprintf("+tls-ca=%s +tls-hostname=ns1.example.test -y hmac-sha256:%s:%s ", filepath.Join(tr.dir, "ca.pem"), keyOf("bind"), keySecret)
	for _, question := range []string{"example.test AXFR", "example.test IXFR=1"} {
		got := ask(t, "kdig", dot, "-d "+options+question)
		for _, w := range []string{"The certificate is trusted", "www.example.test. 30 IN A " + alphaAddr.String()} {
			if !strings.Contains(got, w) {
				t.Errorf("%s: want %q in\n%s", question, w, got)
			}
		}
	}
	tr.fail(tr.alpha, cdntest.Status(503))
	tr.follow(betaAddr)
	tr.inStep()
	tr.same()
}

// TestDigTransfers asks for transfers as a person does: with the key, without
// it, and with another; AXFR and IXFR.
func TestDigTransfers(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t, "catalog.test.", "bind")
	tr.shunt()
	good := fmt.Sprintf("-y hmac-sha256:%s:%s ", keyOf("bind"), keySecret)
	bad := fmt.Sprintf("-y hmac-sha256:%s:%s ", keyOf("bind"), "AAAA"+keySecret[4:])
	for _, c := range []struct {
		options string
		want    []string
	}{
		{good + "example.test. AXFR", []string{"www.example.test. 30 IN A " + alphaAddr.String(), "mail.example.test. 300 IN A 192.0.2.1", "XFR size: 7 records (messages 1"}},
		{"example.test. AXFR", []string{"Transfer failed."}},
		{bad + "example.test. AXFR", []string{"Transfer failed."}},
		{good + "example.test. IXFR=1", []string{"www.example.test. 30 IN A " + alphaAddr.String()}},
		{good + "example.test. IXFR=4294967295 +tcp", []string{"example.test."}},
		{good + "example.test. SOA", []string{"status: NOERROR", "hmac-sha256. ", "NOERROR 0"}},
		{good + "example.test. SOA +tcp", []string{"status: NOERROR", "NOERROR 0"}},
		{bad + "example.test. SOA", []string{"status: NOTAUTH", "BADSIG"}},
		{good + "catalog.test. AXFR", []string{`version.catalog.test. 0 IN TXT "2"`, "catalog.test. 0 IN NS invalid.", "PTR example.test."}},
		{good + "catalog.test. SOA", []string{"status: NOERROR", "IN SOA invalid."}},
		{"catalog.test. SOA", []string{"status: REFUSED"}},
		{good + "elsewhere.test. AXFR", []string{"Transfer failed."}},
	} {
		got := ask(t, "dig", tr.node.addr, c.options)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("dig %s: want %q in\n%s", c.options, w, got)
			}
		}
	}
}
