//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// A pushed is shunt with providers that are real servers.
type pushed struct {
	*stage
	hosts []*host
	node  *node
}

// newPushed starts the named kinds of servers, with example.test, and shunt.
func newPushed(t *testing.T, kinds ...string) *pushed {
	t.Helper()
	p := &pushed{stage: newStage(t, "")}
	for _, kind := range kinds {
		p.hosts = append(p.hosts, newHost(t, kind, "example.test."))
	}
	p.configure("www", "")
	p.node = serve(t, p.dir)
	return p
}

// configure writes the configuration of shunt, with services by name, and
// further keys of every provider.
func (p *pushed) configure(services, more string) {
	p.t.Helper()
	var providers, list strings.Builder
	for _, h := range p.hosts {
		providers.WriteString(h.described(more))
	}
	for s := range strings.FieldsSeq(services) {
		fmt.Fprintf(&list, "      - {name: %q, pools: [alpha, beta], ttl: 30s}\n", s)
	}
	write(p.t, filepath.Join(p.dir, "push.key"), keySecret+"\n")
	write(p.t, filepath.Join(p.dir, "shunt.yaml"), fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - {name: web, http: {host: www.example.test, port: %d}, interval: 300ms, timeout: 300ms, recheck: 50ms, rise: 3, hold_down: 1s, hold_down_max: 2s}
pools:
  - {name: alpha, addresses: [%s], monitors: [web]}
  - {name: beta, addresses: [%s], monitors: [web]}
zones:
  - name: example.test
    services:
%sproviders:
%s`, p.port, alphaAddr, betaAddr, &list, &providers))
}

// A seenProvider is a provider in shunt status --json.
type seenProvider struct {
	Name, Kind, State, Why string
	Names, Waiting         int
	Pushed, Verified       uint64
}

// provider returns what the status says of one.
func (p *pushed) provider(name string) seenProvider {
	p.t.Helper()
	var s struct{ Providers []seenProvider }
	if err := json.Unmarshal([]byte(p.node.run("status", "--json")), &s); err != nil {
		p.t.Fatal(err)
	}
	for _, v := range s.Providers {
		if v.Name == name {
			return v
		}
	}
	p.t.Fatalf("the status has no provider %s", name)
	return seenProvider{}
}

// follow waits until every host but those in down serves want at www, and
// returns how long each took.
func (p *pushed) follow(want netip.Addr, down ...string) map[string]time.Duration {
	p.t.Helper()
	began, took := time.Now(), map[string]time.Duration{}
	p.node.until("all providers serve "+want.String(), func() bool {
		for _, h := range p.hosts {
			if _, ok := took[h.name]; !ok && h.is(www, want.String()) {
				took[h.name] = time.Since(began)
			}
		}
		return len(took) == len(p.hosts)-len(down)
	})
	return took
}

// inStep waits until the status says that the provider is.
func (p *pushed) is(name, state string) {
	p.t.Helper()
	p.node.until(name+" is "+state, func() bool { return p.provider(name).State == state })
}

// TestProvidersFollow: a failover reaches three real servers, by two protocols;
// one that is killed delays no other, is an alarm, and has what is answered then
// once it is back. What the servers' own people put there stays.
func TestProvidersFollow(t *testing.T) {
	p := newPushed(t, "bind", "knot", "pdns")
	t.Logf("the first push took %v", p.follow(alphaAddr))
	for _, h := range p.hosts {
		p.is(h.name, "in step")
		mail, err := plan.New("mail.example.test.", "A", 300, []string{"192.0.2.77"})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.open(t).(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{After: &mail}}); err != nil {
			t.Fatal(err)
		}
	}
	if out := p.node.run("status"); !strings.Contains(out, "PROVIDER") || strings.Count(out, "in step") != 3 {
		t.Errorf("shunt status:\n%s", out)
	}
	if out := p.node.run("plan"); strings.Count(out, "nothing to change") != 3 {
		t.Errorf("shunt plan, in step:\n%s", out)
	}

	p.fail(p.alpha, cdntest.Status(503))
	t.Logf("from the failing probes to their answers: %v", p.follow(betaAddr))

	knot := p.hosts[1]
	knot.kill()
	p.fail(p.alpha, cdntest.Healthy())
	t.Logf("with Knot killed: %v", p.follow(alphaAddr, "knot"))
	p.is("knot", "failing")
	p.node.until("that is an alarm", func() bool { return strings.Contains(p.node.run("status"), "provider-failing") })
	if out := p.node.run("status"); strings.Count(out, "  in step  ") != 2 {
		t.Errorf("shunt status with Knot killed:\n%s", out)
	}
	if code, _, stderr := p.node.try("plan", "--provider", "knot"); code != 1 || !strings.Contains(stderr, "knot cannot be read") {
		t.Errorf("shunt plan --provider knot: %d %s", code, stderr)
	}
	knot.launch(t)
	if out := p.node.run("publish", "--provider", "knot"); !strings.Contains(out, "in step") {
		t.Errorf("shunt publish:\n%s", out)
	}
	p.follow(alphaAddr)
	for _, h := range p.hosts {
		if !h.is("mail.example.test.", "192.0.2.77") {
			t.Errorf("%s: a record of others is gone", h.name)
		}
	}
}

// TestProvidersOutlive: kill -9 of shunt in the middle of much, a restart and
// a reload change nothing in the end state; what others changed meanwhile is
// written again.
func TestProvidersOutlive(t *testing.T) {
	p := newPushed(t, "bind", "pdns")
	p.follow(alphaAddr)
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	p.configure("www @ *.shop "+strings.Join(names, " "), "")
	p.node.run("reload")
	time.Sleep(50 * time.Millisecond) // in the middle of the push
	p.node.kill()
	p.node = serve(t, p.dir)
	for _, h := range p.hosts {
		p.is(h.name, "in step")
		if v := p.provider(h.name); v.Names != 303 {
			t.Errorf("%s: %+v", h.name, v)
		}
		for _, name := range []string{www, "example.test.", "any.shop.example.test.", "n0.example.test.", "n299.example.test."} {
			if !h.is(name, alphaAddr.String()) {
				t.Errorf("%s does not serve %s", h.name, name)
			}
		}
		changed, err := plan.New(www, "A", 30, []string{"192.0.2.66"})
		if err != nil {
			t.Fatal(err)
		}
		was, err := plan.New(www, "A", 30, []string{alphaAddr.String()})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.open(t).(kind.Applier).Apply(t.Context(), "example.test.", []plan.Change{{Before: &was, After: &changed}}); err != nil {
			t.Fatal(err)
		}
	}
	if out := p.node.run("plan"); strings.Count(out, "somebody else changed 1") != 2 || !strings.Contains(out, "~ www.example.test. A 30 192.0.2.66 -> 30 "+alphaAddr.String()) {
		t.Errorf("shunt plan, after drift:\n%s", out)
	}
	p.node.run("publish")
	p.follow(alphaAddr)

	p.configure("www", "") // 302 services are gone: more than may be deleted at once
	p.node.run("reload", "--force")
	p.is("bind", "held")
	if out := p.node.run("plan"); !strings.Contains(out, "302 names would be deleted, more than 10") {
		t.Errorf("shunt plan:\n%s", tail(out, 5))
	}
	if code, _, stderr := p.node.try("publish"); code != 1 || !strings.Contains(stderr, "302 names would be deleted") || !strings.Contains(stderr, "--force") {
		t.Errorf("shunt publish: %d %s", code, stderr)
	}
	p.node.run("publish", "--force")
	for _, h := range p.hosts {
		r, err := h.exchange(new(dns.Msg).SetQuestion("n0.example.test.", dns.TypeA))
		if err != nil || len(r.Answer) != 0 {
			t.Errorf("%s: n0 is still there: %v %v", h.name, r, err)
		}
		if !h.is(www, alphaAddr.String()) {
			t.Errorf("%s: www went with the others", h.name)
		}
	}
}
