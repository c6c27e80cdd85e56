package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const steered = `
places: {databases: [country.mmdb, /var/lib/asn.mmdb], networks: networks.yaml}
monitors: [{name: web, https: {host: www.example.com}}]
pools:
  - name: fastly
    cname: www.example.com.global.prod.fastly.net
    monitors: [web]
    jurisdiction: US
    max_share: 60%
    location: "37.77,-122.42"
    failback: {after: 30m}
    manual_after: 0
    https: {alpn: [h3, h2], port: 8443, ech_file: ech}
  - {name: bunny, cname: b.example.net, jurisdiction: [EU, SI], failback: manual, https: {alias: true}}
  - {name: self, addresses: [192.0.2.10], jurisdiction: EU, https: {hints: false}}
policies:
  - name: by-place
    chain:
      - healthy: {unknown: keep, min_up: 2}
      - fence: {clients: [EU, CH, 198.51.100.0/24], jurisdiction: EU, otherwise: open}
      - prefer: {map: geo.yaml, skip: 1, by: [country, asn]}
      - prefer: {default: [bunny, own], last_resort: self}
      - nearest
      - fastest: {margin: 30%, for: 2m}
      - sticky
      - capacity:
      - keep_warm: 5%
      - first: 1
  - {name: own, pools: [self, {pool: bunny, weight: 0}], chain: [healthy, weighted]}
safety:
  rules:
    - {name: two, at_least: 1, pools: [fastly, bunny]}
    - {name: behind, gate: [self], pools: [fastly]}
zones:
  - name: example.com
    services:
      - name: www
        policy: by-place
        pools: [fastly, {policy: own, weight: 3}, {pool: self, last_resort: true}]
        ramp: {steps: [5%, 100%], every: 10m, on: both}
        moves: 0
      - {name: api, policy: own, flatten: true}
      - {name: img, pools: [bunny], ramp: {}}
`

// TestPolicyValues reads a file with every kind of filter, and the files
// beside it.
func TestPolicyValues(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"shunt.yaml":    steered,
		"geo.yaml":      "- {places: [DE, NO, AS64500], pools: [own, bunny], last_resort: self}\n- {default: [fastly], last_resort: [bunny]}\n",
		"networks.yaml": "- {network: 198.51.100.0/24, subdivision: DE-BE, asn: AS64500, location: \"52.5, 13.4\"}\n- {network: 2001:db8::/32, continent: AF}\n",
		"ech":           "AAz+DQAIAQIDBAUGBwg=\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(filepath.Join(folder, "shunt.yaml"), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got, compare...); diff != "" {
			t.Errorf("%s: want -, got +\n%s", what, diff)
		}
	}
	country := func(code string) Where { return Where{Kind: Country, Code: code} }
	net := netip.MustParsePrefix("198.51.100.0/24")
	same("policies", append(Presets(),
		Policy{Name: "by-place", Chain: []Filter{
			{Kind: Healthy, Healthy: HealthyFilter{KeepUnknown: true, MinUp: 2}},
			{Kind: Fence, Fence: FenceFilter{Clients: []Where{{Kind: Union, Code: "EU"}, country("CH"), {Kind: Network, Network: net}}, Jurisdictions: []string{"EU"}, Open: true}},
			{Kind: Prefer, Prefer: PreferFilter{
				By: []WhereKind{Country, ASN}, Skip: 1, File: filepath.Join(folder, "geo.yaml"),
				Lists:   []PlaceList{{Places: []Where{country("DE"), country("NO"), {Kind: ASN, ASN: 64500}}, Pools: []string{"own", "bunny"}, LastResort: []string{"self"}}},
				Default: PlaceList{Pools: []string{"fastly"}, LastResort: []string{"bunny"}},
			}},
			{Kind: Prefer, Prefer: PreferFilter{Default: PlaceList{Pools: []string{"bunny", "own"}, LastResort: []string{"self"}}}},
			{Kind: ByDistance},
			{Kind: ByLatency, Fastest: FastestFilter{Margin: 0.3, For: 2 * time.Minute}},
			{Kind: Sticky}, {Kind: Capacity}, {Kind: KeepWarm, Warm: 0.05}, {Kind: First, First: 1},
		}},
		Policy{Name: "own", Pools: []Choice{{Pool: "self", Weight: 1}, {Pool: "bunny"}}, Chain: []Filter{{Kind: Healthy, Healthy: HealthyFilter{MinUp: 1}}, {Kind: ByWeight}}},
	), cfg.Policies)
	same("places", Places{
		Databases: []string{filepath.Join(folder, "country.mmdb"), "/var/lib/asn.mmdb"},
		Networks: []Located{
			{Network: net, Continent: "EU", Country: "DE", Subdivision: "DE-BE", ASN: 64500, At: Point{true, 52.5, 13.4}},
			{Network: netip.MustParsePrefix("2001:db8::/32"), Continent: "AF"},
		},
		File: filepath.Join(folder, "networks.yaml"),
	}, cfg.Places)
	same("rules", []Rule{{Name: "two", AtLeast: 1, Pools: []string{"fastly", "bunny"}}, {Name: "behind", Gate: []string{"self"}, Pools: []string{"fastly"}}}, cfg.Safety.Rules)
	type reach struct {
		Failback     Failback
		Jurisdiction []string
		Share        float64
		At           Point
		HTTPS        Binding
	}
	var got []reach
	for _, p := range cfg.Pools {
		got = append(got, reach{p.Failback, p.Jurisdictions, p.MaxShare, p.At, p.HTTPS})
	}
	ech := []byte{0, 12, 0xfe, 0x0d, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	same("pools", []reach{
		{Failback{Mode: FailbackAfter, After: 30 * time.Minute}, []string{"US"}, 0.6, Point{true, 37.77, -122.42}, Binding{On: true, ALPN: []string{"h3", "h2"}, Port: 8443, ECH: ech, Hints: true}},
		{Failback{Mode: FailbackManual, Manual: 6 * time.Hour}, []string{"EU", "SI"}, 1, Point{}, Binding{On: true, Alias: true, Hints: true}},
		{Failback{Mode: FailbackAuto, Manual: 6 * time.Hour}, []string{"EU"}, 1, Point{}, Binding{On: true}},
	}, got)
	services := cfg.Zones[0].Services
	same("www", Service{
		Name: "www.example.com.", Policy: "by-place", TTL: 30 * time.Second, TTLMin: 15 * time.Second, Alias: true,
		Pools: []Choice{{Pool: "fastly", Weight: 1}, {Policy: "own", Weight: 3}, {Pool: "self", Weight: 1, LastResort: true}},
		Ramp:  &Ramp{Steps: []float64{0.05, 1}, Every: 10 * time.Minute, On: RampBoth},
	}, services[0])
	same("api", cfg.Policies[6].Pools, services[1].Pools)
	same("img", &Ramp{Steps: []float64{0.01, 0.1, 0.5, 1}, Every: 3 * time.Minute, On: RampFailback}, services[2].Ramp)
	same("moves", []int{0, 6, 6}, []int{services[0].Moves, services[1].Moves, services[2].Moves})
}

// TestWideNests: ten layers of policies, each leading to all of the next, have
// more ways through them than anyone could count.
func TestWideNests(t *testing.T) {
	var b strings.Builder
	b.WriteString("pools: [{name: a, addresses: 192.0.2.1}]\npolicies:\n")
	for layer := range 10 {
		pools := "a"
		for i := range 50 {
			if layer > 0 {
				pools += fmt.Sprintf(", {policy: l%d-%d}", layer-1, i)
			}
		}
		for i := range 50 {
			fmt.Fprintf(&b, "  - {name: l%d-%d, pools: [%s], chain: [healthy]}\n", layer, i, pools)
		}
	}
	b.WriteString("zones: [{name: example.com, services: [{name: www, pools: [a, {policy: l9-0}, {policy: l2-0}, {policy: l1-0}]}]}]\n")
	_, err := Parse([]byte(b.String()), "shunt.yaml", Overrides{})
	if ps, ok := IsProblems(err); !ok || !strings.Contains(ps[0].What, "more than 1000 pools") {
		t.Errorf("%v", err)
	}
}

// TestPresetsAreSound: what the file may not say, no preset says.
func TestPresetsAreSound(t *testing.T) {
	for _, p := range Presets() {
		for i, f := range p.Chain {
			if what, _ := misplaced(f, p.Chain[:i]); what != "" {
				t.Errorf("%s: %s", p.Name, what)
			}
		}
		if !isPreset(p.Name) || !p.has(Healthy) {
			t.Errorf("%s", p.Name)
		}
	}
}
