package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// sound is a configuration with nothing to find.
const sound = `
node: {name: ns1.example.net, state_dir: /var/lib/shunt}
resolvers: ["9.9.9.9:53", "8.8.8.8:53"]
alerts: [{name: duty, webhook: {url: "https://Hooks.pager.net/x"}}]
vantage: {controls: ["198.51.100.1:443", "203.0.113.1:443"]}
safety: {at_least: 1, rules: [{name: two, at_least: 1, pools: [fast, slow]}]}
monitors:
  - {name: web, https: {host: www.example.com, path: /healthz}}
pools:
  - {name: fast, operator: fastly, cname: a.fast.net, monitors: [web], jurisdiction: [US]}
  - {name: slow, operator: bunny, cname: b.slow.net, monitors: [web], jurisdiction: [EU]}
zones:
  - name: example.com
    ns: [ns1.example.net, ns2.example.org]
    services:
      - {name: www, pools: [fast, slow]}
`

// soundFacts go with it.
func soundFacts() *Facts {
	addr := netip.MustParseAddr
	return &Facts{
		Zones: map[string]Zone{"example.com.": {Negative: time.Minute}},
		Hosts: map[string]Host{
			"a.fast.net.": {Chain: []string{"a.fast.net."}, Cuts: []Cut{{"fast.net.", []string{"ns.one.com.", "ns.two.com."}}}, Addrs: []netip.Addr{addr("192.0.2.1")}},
			"b.slow.net.": {Chain: []string{"b.slow.net."}, Cuts: []Cut{{"slow.net.", []string{"ns.one.com.", "ns.three.com."}}}, Addrs: []netip.Addr{addr("192.0.2.2")}},
		},
		Delegations: map[string]Delegation{"example.com.": {NS: []string{"ns1.first.net.", "ns2.second.org."},
			Addrs: map[string][]netip.Addr{"ns1.first.net.": {addr("198.51.100.53")}, "ns2.second.org.": {addr("203.0.113.53")}}}},
	}
}

// TestFindings changes one thing of a sound configuration at a time, by
// "before → after", or one of its facts, and wants these findings alone.
func TestFindings(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hand := func(r health.Result) func(*Facts) {
		return func(f *Facts) {
			f.Handshakes = []Handshake{{Service: "www.example.com.", Name: "www.example.com", Pool: "slow", Addr: netip.MustParseAddrPort("192.0.2.2:443"), At: now, Warn: 14 * 24 * time.Hour, Result: r}}
		}
	}
	ns := func(names ...string) func(*Facts) {
		return func(f *Facts) { f.Delegations["example.com."] = Delegation{NS: names} }
	}
	cuts := func(pool string, names ...string) func(*Facts) {
		return func(f *Facts) {
			h := f.Hosts[pool]
			h.Cuts = []Cut{{"cdn.net.", names}}
			f.Hosts[pool] = h
		}
	}
	pager := func(f *Facts) {
		f.Hosts["hooks.pager.net."] = Host{Chain: []string{"hooks.pager.net."}, Cuts: []Cut{{"pager.net.", []string{"a.pager.org.", "b.pager.org."}}}}
	}
	for _, tt := range []struct {
		about string
		edits []string
		facts []func(*Facts)
		want  string // "severity code subject", a line each
	}{
		{about: "nothing to find"},
		{"one pool", []string{"www, pools: [fast, slow]} → www, pools: [fast]}"}, nil, "critical one-pool www.example.com."},
		{"services alike", []string{"  - {name: www, pools: [fast, slow]} →   - {name: www, pools: [fast]}\n      - {name: api, pools: [fast]}"}, nil, "critical one-pool www.example.com. +1"},
		{"one operator", []string{"operator: bunny → operator: fastly"}, nil, "critical one-operator www.example.com."},
		{"one jurisdiction", []string{"jurisdiction: [EU] → jurisdiction: [US]"}, nil, "warning one-jurisdiction www.example.com."},
		{"two of both", []string{"jurisdiction: [EU] → jurisdiction: [US, EU]"}, nil, ""},
		{"one does not say its law", []string{", jurisdiction: [EU] → "}, nil, ""},
		{"at the limit of a TTL", []string{"[fast, slow]}\n → [fast, slow], ttl: 60s}\n"}, nil, ""},
		{"a slow TTL", []string{"[fast, slow]}\n → [fast, slow], ttl: 61s}\n"}, nil, "warning slow-ttl www.example.com."},
		{"a very slow TTL", []string{"[fast, slow]}\n → [fast, slow], ttl: 301s}\n"}, nil, "critical slow-ttl www.example.com."},
		{"capacity without a ramp", []string{"operator: bunny → max_share: 50%, operator: bunny"}, nil, "warning no-ramp www.example.com."},
		{"capacity with one", []string{"operator: bunny → max_share: 50%, operator: bunny", "[fast, slow]}\n → [fast, slow], ramp: {steps: [50%, 100%], every: 1m}}\n"}, nil, ""},
		{"no monitors, preferred", []string{"a.fast.net, monitors: [web] → a.fast.net"}, nil, "critical unmonitored-pool fast"},
		{"no monitors, last", []string{"b.slow.net, monitors: [web] → b.slow.net"}, nil, "warning unmonitored-pool slow"},
		{"a path of the CDN's", []string{"/healthz → /cdn-cgi/trace"}, nil, "critical provider-path fast\ncritical provider-path slow"},
		{"and one of the site's", []string{"/healthz}} → /cdn-cgi/trace}}\n  - {name: too, https: {host: www.example.com}}", "a.fast.net, monitors: [web] → a.fast.net, monitors: [web, too]", "b.slow.net, monitors: [web] → b.slow.net, monitors: [too]"}, nil, "warning provider-path fast"},
		{"slower than the TTL", []string{"/healthz}} → /healthz}, recheck: 0s, interval: 10s}"}, nil, "warning slow-detection web"},
		{"a burst is in time", []string{"/healthz}} → /healthz}, interval: 10s}"}, nil, ""},
		{"slower than anybody waits", []string{"/healthz}} → /healthz}, recheck: 0s, interval: 2m}"}, nil, "critical slow-detection web"},
		{"one resolver", []string{`, "8.8.8.8:53" → `}, nil, "warning one-resolver resolvers"},
		{"resolvers of one operator", []string{"8.8.8.8 → 149.112.112.112"}, nil, "warning one-resolver-operator resolvers"},
		{"resolvers in one network", []string{"9.9.9.9 → 198.18.0.1", "8.8.8.8 → 198.18.0.2"}, nil, "warning one-resolver-operator resolvers"},
		{"a resolver behind a pool", []string{"9.9.9.9 → 192.0.2.1"}, nil, "critical circular-resolver resolvers"},
		{"no controls", []string{`vantage: {controls: ["198.51.100.1:443", "203.0.113.1:443"]} → `}, nil, "warning few-controls vantage.controls"},
		{"one control", []string{`, "203.0.113.1:443" → `}, nil, "warning few-controls vantage.controls"},
		{"a control behind a pool", []string{"203.0.113.1:443 → 192.0.2.2:443"}, nil, "critical circular-control vantage.controls"},
		{"no rules", []string{", rules: [{name: two, at_least: 1, pools: [fast, slow]}] → "}, nil, "info no-rules safety"},
		{"nothing safe", []string{"at_least: 1, rules: [{name: two, at_least: 1, pools: [fast, slow]}] → at_least: 0"}, nil, "warning no-rules safety"},
		{"state in memory", nil, []func(*Facts){func(f *Facts) { f.StateFS = "tmpfs" }}, "warning volatile-state node.state_dir"},
		{"one name server", nil, []func(*Facts){ns("ns1.first.net.")}, "critical one-ns example.com."},
		{"name servers of one domain", nil, []func(*Facts){ns("ns1.first.net.", "ns2.first.net.")}, "warning ns-one-operator example.com."},
		{"four domains of one operator", nil, []func(*Facts){ns("ns-1.awsdns-12.com.", "ns-2.awsdns-07.net.", "ns-3.awsdns-55.org.", "ns-4.awsdns-31.co.uk.")}, "warning ns-one-operator example.com."},
		{"a steered name server", nil, []func(*Facts){ns("www.example.com.", "ns2.second.org.")}, "critical circular-ns example.com."},
		{"name servers in one network", nil, []func(*Facts){func(f *Facts) {
			f.Delegations["example.com."].Addrs["ns2.second.org."] = []netip.Addr{netip.MustParseAddr("198.51.100.99")}
		}}, "critical ns-one-network example.com."},
		{"one of them is somewhere else too", nil, []func(*Facts){func(f *Facts) {
			f.Delegations["example.com."].Addrs["ns2.second.org."] = []netip.Addr{netip.MustParseAddr("198.51.100.99"), netip.MustParseAddr("203.0.113.1")}
		}}, ""},
		{"an address that is not known proves nothing", nil, []func(*Facts){func(f *Facts) { delete(f.Delegations["example.com."].Addrs, "ns2.second.org.") }}, ""},
		{"not delegated: what is configured counts", []string{"ns: [ns1.example.net, ns2.example.org] → ns: [ns1.example.net]"}, []func(*Facts){func(f *Facts) { f.Delegations = nil }}, "critical one-ns example.com."},
		{"a pool's DNS of one operator", nil, []func(*Facts){cuts("a.fast.net.", "a1.akam.net.", "a2.akam.net.")}, "info pool-dns-one-operator fast"},
		{"all pools' DNS of one operator", nil, []func(*Facts){cuts("a.fast.net.", "a1.akam.net."), cuts("b.slow.net.", "a7.akam.net.")}, "critical shared-dns www.example.com.\ninfo pool-dns-one-operator fast\ninfo pool-dns-one-operator slow"},
		{"all pools have the same name servers", nil, []func(*Facts){cuts("a.fast.net.", "ns.one.com.", "ns.three.com.")}, "critical shared-dns www.example.com."},
		{"a pool of addresses hangs on no DNS", []string{"cname: b.slow.net → addresses: [192.0.2.2]"}, []func(*Facts){cuts("a.fast.net.", "a1.akam.net.")}, "info pool-dns-one-operator fast"},
		{"a pool that leads to a service", nil, []func(*Facts){func(f *Facts) {
			f.Hosts["a.fast.net."] = Host{Chain: []string{"a.fast.net.", "www.example.com."}}
		}}, "critical circular-pool fast"},
		{"a long negative TTL", nil, []func(*Facts){func(f *Facts) { f.Zones["example.com."] = Zone{Negative: time.Hour} }}, "warning slow-negative example.com."},
		{"a slow alias to a service", nil, []func(*Facts){func(f *Facts) {
			f.Zones["example.com."] = Zone{Aliases: []Alias{{"shop.example.com.", "www.example.com.", time.Hour}, {"far.example.com.", "shop.example.com.", 2 * time.Minute}, {"docs.example.com.", "else.net.", time.Hour}}}
		}}, "warning slow-alias shop.example.com.\ninfo slow-alias far.example.com."},
		{"a certificate for others", nil, []func(*Facts){hand(health.Result{Class: health.TLSFailure, Reason: "the certificate is for x"})}, "critical certificate-unfit www.example.com."},
		{"one that ends soon", nil, []func(*Facts){hand(health.Result{OK: true, CertEnd: now.Add(13 * 24 * time.Hour)})}, "warning certificate-ending www.example.com."},
		{"one that ends at once", nil, []func(*Facts){hand(health.Result{OK: true, CertEnd: now.Add(71 * time.Hour)})}, "critical certificate-ending www.example.com."},
		{"one that lasts", nil, []func(*Facts){hand(health.Result{OK: true, CertEnd: now.Add(15 * 24 * time.Hour)})}, ""},
		{"nobody answers", nil, []func(*Facts){hand(health.Result{Class: health.Refused, Reason: "refused"})}, "warning endpoint-not-reached www.example.com."},
		{"nobody answers, whatever the name", nil, []func(*Facts){func(f *Facts) {
			hand(health.Result{Class: health.Refused, Reason: "refused"})(f)
			f.Handshakes = append(f.Handshakes, f.Handshakes[0], f.Handshakes[0])
			f.Handshakes[2].Pool = "fast"
		}}, "warning endpoint-not-reached www.example.com. +1\nwarning endpoint-not-reached www.example.com."},
		{"no route", []string{`alerts: [{name: duty, webhook: {url: "https://Hooks.pager.net/x"}}] → `}, nil, "info no-alerts alerts"},
		{"a route to a service", []string{"Hooks.pager.net → WWW.Example.com"}, nil, "critical circular-alert duty"},
		{"a static name of ours", []string{"Hooks.pager.net → hooks.example.com"}, nil, ""},
		{"a route that leads to a service", nil, []func(*Facts){func(f *Facts) {
			f.Hosts["hooks.pager.net."] = Host{Chain: []string{"hooks.pager.net.", "www.example.com."}}
		}}, "critical circular-alert duty"},
		{"a route to a pool", []string{"Hooks.pager.net → 192.0.2.1"}, nil, "critical circular-alert duty"},
		{"a route whose name has the address of a pool", nil, []func(*Facts){func(f *Facts) {
			f.Hosts["hooks.pager.net."] = Host{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2")}}
		}}, "critical circular-alert duty"},
		{"mail through a service", []string{`webhook: {url: "https://Hooks.pager.net/x"} → email: {to: [a@b.net], from: c@b.net, server: "www.example.com:587"}`}, nil, "critical circular-alert duty"},
		{"a route whose DNS is a pool's operator's", []string{"operator: bunny → operator: Pager"}, []func(*Facts){pager}, "warning circular-alert duty"},
		{"and one that is free of it", []string{"operator: bunny → operator: Pager", `alerts: [ → alerts: [{name: too, webhook: {url: "https://198.51.100.9/"}}, `}, []func(*Facts){pager}, "info circular-alert duty"},
		{"a route whose DNS is a pool's", nil, []func(*Facts){pager, cuts("b.slow.net.", "c.pager.org.")}, "warning circular-alert duty\ninfo pool-dns-one-operator slow"},
		{"a route of another DNS operator", nil, []func(*Facts){pager}, ""},
		{"what could not be looked up", nil, []func(*Facts){func(f *Facts) { f.Missing = []Missing{{"a.fast.net.", "SERVFAIL"}} }}, "warning not-looked-up a.fast.net."},
	} {
		t.Run(tt.about, func(t *testing.T) {
			facts := soundFacts()
			for _, change := range tt.facts {
				change(facts)
			}
			cfg := edited(t, tt.edits)
			if got := lines(Findings(cfg, "", facts)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestZone looks at one zone alone.
func TestZone(t *testing.T) {
	cfg := edited(t, []string{"zones:\n → zones:\n  - {name: other.org, ns: [a.x.net, b.y.net], services: [{name: www, pools: [slow], ttl: 1h}]}\n"})
	if got, want := lines(Findings(cfg, "other.org.", soundFacts())), "critical one-pool www.other.org.\ncritical slow-ttl www.other.org."; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := lines(Findings(cfg, "example.com.", soundFacts())); got != "" {
		t.Errorf("of the sound one: %s", got)
	}
}

// TestFindingsAreWhole: each says what it rests on and what to do.
func TestFindingsAreWhole(t *testing.T) {
	cfg := edited(t, []string{"operator: bunny → operator: fastly", "/healthz → /cdn-cgi/trace", "[fast, slow]}\n → [fast, slow], ttl: 1h}\n"})
	found := Findings(cfg, "", &Facts{})
	if len(found) < 4 {
		t.Fatalf("only %v", found)
	}
	for _, f := range found {
		if f.Evidence == "" || f.Mend == "" || f.Severity.rank() < 0 {
			t.Errorf("%+v", f)
		}
	}
}

// edited returns the sound configuration with edits made.
func edited(t *testing.T, edits []string) *config.Config {
	t.Helper()
	text := sound
	for _, e := range edits {
		before, after, _ := strings.Cut(e, " → ")
		if !strings.Contains(text, before) {
			t.Fatalf("there is no %q", before)
		}
		text = strings.Replace(text, before, after, 1)
	}
	cfg, err := config.Parse([]byte(text), "shunt.yaml", config.Overrides{Hostname: "ns1"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// lines prints findings as the table wants them.
func lines(found []Finding) string {
	var out []string
	for _, f := range found {
		line := fmt.Sprintf("%s %s %s", f.Severity, f.Code, f.Subject)
		if f.Alike > 0 {
			line += fmt.Sprintf(" +%d", f.Alike)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
