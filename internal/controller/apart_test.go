package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/drill"
)

const apartConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
transfer: {allow: [192.0.2.9]}
zones:
  - name: example.test
    file: example.test.zone
    services:
      - {name: www, pools: [a, b, c]}
      - {name: api, pools: [a, b, c]}
      - {name: "*.app", pools: [a, b, c]}
      - {name: "@", pools: [c, b]}
`

const apartZone = "$TTL 300\n@ SOA ns1 hostmaster 7 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n"

// drillOf begins a drill of pool a of one service.
func (b *bench) drillOf(service string) *drill.Report {
	b.Helper()
	p := plan("a 10m")
	p.Services = []string{service}
	r, err := b.DrillStart(context.Background(), p, true, false)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// wantPicks checks which pools the services answer with: "www a, api b".
func (b *bench) wantPicks(when, want string) {
	b.Helper()
	for _, text := range strings.Split(want, ", ") {
		name, pool, _ := strings.Cut(text, " ")
		name = strings.TrimPrefix(name+".example.test.", "@.")
		v := b.view.Load()
		if got := v.groups[v.loaded.Set.Group(name)].main().Pools(); !slices.Equal(got, []string{pool}) {
			b.Errorf("%s: %s is answered by %v, want %s", when, name, got, pool)
		}
	}
}

// holds writes what the snapshot in service says of name: "192.0.2.53", or its
// rcode.
func (b *bench) holds(name string) string {
	m, _, err := b.view.Load().snapshot.Records(name+".example.test.", dns.TypeA, netip.Addr{}, 0)
	switch {
	case err != nil:
		b.Fatal(err)
	case len(m.Answer) > 0:
		return m.Answer[0].(*dns.A).A.String()
	}
	return dns.RcodeToString[m.Rcode]
}

// A drill of one service of several that are written alike sets it apart, and
// does no more: what has been written to the files of zones meanwhile comes
// into force by a reload, past its guards, and by nothing else. Contents and
// serials are as they were, but for the one that moved.
func TestDrillReadsNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, dir, "shunt.yaml", apartConfig)
		var hosts strings.Builder
		for i := range 100 {
			fmt.Fprintf(&hosts, "host%d A 192.0.2.77\n", i)
		}
		writeFile(t, dir, "example.test.zone", apartZone+hosts.String())
		b := start(t, dir, "a+ b+ c+")
		serial := b.view.Load().snapshot.Serial(0)
		writeFile(t, dir, "example.test.zone", apartZone) // half written, say

		b.drillOf("www.example.test.")
		b.wantPicks("in the drill", "www b, api a, *.app a, @ c")
		if got := b.holds("host7"); got != "192.0.2.77" {
			t.Errorf("host7 is %s: the drill has taken in the file", got)
		}
		if next := b.view.Load().snapshot.Serial(0); next == serial {
			t.Errorf("the serial stays %d though www moved", serial)
		}
		if err := b.Reload(context.Background(), false); err == nil {
			t.Error("the reload took it, unguarded")
		}
		passes(10*time.Minute + time.Second)
		b.wantPicks("after it", "www a, api a, *.app a, @ c")

		writeFile(t, dir, "example.test.zone", "$INCLUDE nowhere\n")
		b.drillOf("*.app.example.test.")
		b.wantPicks("in another", "www a, api a, *.app b, @ c")
		writeFile(t, dir, "example.test.zone", apartZone+hosts.String()+"late A 192.0.2.78\n")
		if err := b.Reload(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		b.wantPicks("after a reload", "www a, api a, *.app b, @ c")
		if got := b.holds("late"); got != "192.0.2.78" {
			t.Errorf("late is %s after the reload", got)
		}
	})
}

// Asking a survivor goes wrong in whatever way: that is a reason against the
// drill, and the node serves on.
func TestCoversPanics(t *testing.T) {
	drillBench(t, func(t *testing.T, b *bench) {
		b.deps.Covers = func(context.Context, *config.Config, config.Service, *config.Pool, netip.Addr) string {
			panic("a certificate like no other")
		}
		why := b.covers(t.Context(), b.view.Load(), config.Service{Name: "www.example.test."}, "b", netip.MustParseAddr("192.0.2.2"))
		if why != "b at 192.0.2.2: internal error while asking for www.example.test.: a certificate like no other" {
			t.Error(why)
		}
	})
}
