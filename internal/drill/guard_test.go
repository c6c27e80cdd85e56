package drill

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/steer"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) // a Monday

// scene is a drill of a, for an hour, of www with the pools a, b and c: all is
// well with it.
func scene() *Scene {
	s := &Scene{Plan: &Plan{ID: "x", Pools: []string{"a"}, Share: 1, Reason: "test", Author: "kim", Began: noon, Ends: noon.Add(time.Hour)},
		Pools: map[string]Pool{}, AtLeast: 1}
	for _, p := range []string{"a", "b", "c"} {
		s.Pools[p] = Pool{Health: &health.Pool{Name: p, State: health.Up}, MaxShare: 1}
	}
	s.Services = []Service{{Name: "www.", Pools: []string{"a", "b", "c"}, Covered: []bool{true},
		Before: []steer.Decision{{Picks: []steer.Pick{{Pool: "a", Weight: steer.Million}}}},
		After:  []steer.Decision{{Picks: []steer.Pick{{Pool: "b", Weight: steer.Million}}}}}}
	return s
}

// Each guard says no to what it is for, and alone; force can overrule those
// without "never".
func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		what  string
		wrong func(s *Scene)
		want  []string
	}{
		{"all is well", func(*Scene) {}, nil},
		{"blind", func(s *Scene) { s.Blind = "no control answers" }, []string{"this node cannot see the world"}},
		{"frozen", func(s *Scene) { s.Frozen = "quiet, kim" }, []string{"never: automation is off (quiet, kim)"}},
		{"another service fails open", func(s *Scene) { s.FailOpen = []string{"api."} }, []string{"api. fails open now"}},
		{"a survivor is down", func(s *Scene) { s.Pools["b"].Health.State = health.Down }, []string{"b is down"}},
		{"a survivor is unknown", func(s *Scene) { s.Pools["c"].Health.State = health.Unknown }, []string{"nothing is known of c yet"}},
		{"the drilled one is down", func(s *Scene) { s.Pools["a"].Health.State = health.Down }, []string{"a is down"}},
		{"the drilled one is overridden", func(s *Scene) {
			s.Pools["a"].Health.Override = &health.Override{Force: health.ForceUp, Author: "kim", Reason: "x", Expires: noon.Add(time.Hour)}
		}, []string{"never: a is under an override (up by kim: x)"}},
		{"a survivor is drained", func(s *Scene) {
			s.Pools["b"].Health.Override = &health.Override{Force: health.ForceDrain, Author: "kim", Reason: "mend", Expires: noon.Add(time.Hour)}
		}, []string{"b is drained (mend)"}},
		{"a survivor waits", func(s *Scene) { p := s.Pools["b"]; p.Waits = "by a person"; s.Pools["b"] = p }, []string{"b waits to be let back"}},
		{"a survivor is in doubt", func(s *Scene) { s.Pools["b"].Health.ChangeIn = time.Second }, []string{"b is in doubt"}},
		{"votes are void", func(s *Scene) { s.Pools["b"].Health.Held = "the origin fails too" }, []string{"votes against b are void"}},
		{"a certificate ends in the drill", func(s *Scene) {
			s.Pools["c"].Health.Endpoints = []health.Endpoint{{Addr: netip.MustParseAddr("192.0.2.3"), CertEnd: noon.Add(59 * time.Minute)}}
		}, []string{"the certificate that c shows at 192.0.2.3 ends at 2026-01-05T12:59:00Z"}},
		{"a certificate ends after it", func(s *Scene) {
			s.Pools["c"].Health.Endpoints = []health.Endpoint{{Addr: netip.MustParseAddr("192.0.2.3"), CertEnd: noon.Add(time.Hour)}}
		}, nil},
		{"too much for a survivor", func(s *Scene) { p := s.Pools["b"]; p.MaxShare = 0.6; s.Pools["b"] = p }, []string{"b would get 100.0% of the answers of www., and its max_share is 60.0%"}},
		{"a survivor is not heard of", func(s *Scene) { p := s.Pools["b"]; p.Stale = "b: no result for 1m"; s.Pools["b"] = p }, []string{"b: no result for 1m"}},
		{"a survivor does not serve it", func(s *Scene) {
			s.Uncovered = []string{"b at 192.0.2.2:443 does not answer for www: wrong certificate"}
		},
			[]string{"b at 192.0.2.2:443 does not answer for www: wrong certificate"}},
		{"capacity is short", func(s *Scene) { s.Services[0].After[0].Short = "too little" }, []string{"www.: too little"}},
		{"fewer than at_least", func(s *Scene) { s.AtLeast = 3 }, []string{"www. would be left with 2 pools that are up; safety.at_least is 3"}},
		{"a share takes no pool away", func(s *Scene) { s.AtLeast, s.Plan.Share = 3, 0.5 }, nil},
		{"nothing is left", func(s *Scene) { s.Plan.Pools = []string{"a", "b", "c"}; s.Services[0].After = s.Services[0].Before },
			[]string{"never: www. would have no other pool that is up", "never: a would go on answering for www."}},
		{"a rule", func(s *Scene) { s.Rules = []config.Rule{{Name: "two", AtLeast: 2, Pools: []string{"a", "b"}}} }, []string{"rule two: of a, b at least 2 must be up"}},
		{"a rule about others", func(s *Scene) { s.Rules = []config.Rule{{Name: "two", AtLeast: 2, Pools: []string{"b", "c"}}} }, nil},
		{"another drill", func(s *Scene) { s.Services[0].Other = &Plan{ID: "y", Ends: noon} }, []string{"never: the drill y moves www."}},
		{"a part of a union", func(s *Scene) { s.Services[0].Union, s.Plan.Share = true, 0.5 }, []string{"never: www. answers with several pools at once"}},
		{"clients of nowhere", func(s *Scene) { s.Services[0].Covered, s.Plan.Clients = []bool{false}, []string{"AQ"} }, []string{"never: no client of www. is known to be in AQ"}},
		{"a blocked date", func(s *Scene) {
			day := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
			s.Practice = []config.Drill{{Name: "w", Pools: []string{"a"}, Zone: time.UTC, Blocked: []config.Dates{{First: day, Last: day}}}}
		}, []string{"practice run w: it would run on a blocked date"}},
		{"outside its windows", func(s *Scene) {
			s.Practice = []config.Drill{{Name: "w", Pools: []string{"a"}, Zone: time.UTC, Windows: []config.Window{{Days: [7]bool{1: true}, From: 720, To: 779}}}}
		}, []string{"practice run w: from Mon"}},
		{"within its windows", func(s *Scene) {
			s.Practice = []config.Drill{{Name: "w", Pools: []string{"a"}, Zone: time.UTC, Windows: []config.Window{{Days: [7]bool{1: true}, From: 720, To: 780}}}}
		}, nil},
	} {
		s := scene()
		tt.wrong(s)
		var got []string
		for _, r := range Check(s) {
			if r.Never {
				r.Why = "never: " + r.Why
			}
			got = append(got, r.Why)
		}
		if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: refused for %q, want %q", tt.what, got, tt.want)
		}
	}
}

// A series is bounded, and keeps every answer.
func TestSeriesIsBounded(t *testing.T) {
	var s Series
	for i := range 72 * 3600 {
		s.add(i+1, map[string]uint64{"a": 2, "b": 1})
	}
	by, all := s.between(0, 72*3600)
	if len(s.At) > points || by["a"] != 2*72*3600 || all != 3*72*3600 {
		t.Errorf("%d points of %d s, answers %v", len(s.At), s.Every, by)
	}
}

// The page has its plots and needs no other file.
func TestHTMLStandsAlone(t *testing.T) {
	s := scene()
	r := Begin(*s.Plan, "ns1", Predict(s.Services, 60), 30*time.Second, nil, Moment{At: noon, Pools: []Seen{{Name: "b", State: "up", Latency: time.Millisecond}}})
	for i := range 60 {
		r.Second(Moment{At: noon.Add(time.Duration(i+1) * time.Second), Answers: map[string]uint64{"b": 10}})
	}
	r.End(noon.Add(time.Minute), Interrupted, "<script>alert(1)</script>")
	var b strings.Builder
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "<svg"); n != 2 || strings.Contains(b.String(), "<script") || strings.Contains(b.String(), "src=") {
		t.Errorf("%d plots:\n%.2000s", n, b.String())
	}
	if md := r.Markdown(); !strings.Contains(md, "| b | 0.0% | 100.0% | 0.0 | 100.0% | 10.0 |") || strings.Contains(md, "<script") {
		t.Errorf("%s", md)
	}
}
