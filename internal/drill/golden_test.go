package drill

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shunt-dns/shunt/resolver/steer"
)

var update = flag.Bool("update", false, "write the reports into testdata anew; read the difference before committing it")

// A turn is what is seen in each of some seconds.
type turn struct {
	seconds int
	alpha   uint64 // answers
	beta    uint64
	state   string // of beta
	latency time.Duration
}

// play has a drill of alpha, for 20 s, see these turns, until one ends it, and
// Settle after it.
func play(turns []turn) *Report {
	p := Plan{ID: "20260105T120000Z-alpha", Pools: []string{"alpha"}, Share: 1, AbortIf: []string{"probe latency > 800ms"},
		Reason: "quarterly <drill>", Author: "kim", Began: noon, Ends: noon.Add(20 * time.Second)}
	now := noon
	see := func(t turn) Moment {
		return Moment{At: now, Pools: []Seen{{Name: "alpha", State: "up", Latency: 20 * time.Millisecond}, {Name: "beta", State: t.state, Reason: "HTTP 503", Latency: t.latency, Last: t.latency}},
			Answers: map[string]uint64{"alpha": t.alpha, "beta": t.beta}}
	}
	www := Service{Name: "www.example.test.", Pools: []string{"alpha", "beta"}, Measured: map[string]uint64{"alpha": 3000},
		Before: []steer.Decision{{Picks: []steer.Pick{{Pool: "alpha", Weight: steer.Million}}}},
		After:  []steer.Decision{{Picks: []steer.Pick{{Pool: "beta", Weight: steer.Million}}}}}
	r := Begin(p, "ns1.example.test", Predict([]Service{www}, 300), 30*time.Second, []string{"beta is in doubt"}, see(turn{state: "up", latency: 30 * time.Millisecond}))
	r.Names, r.Count = []string{"www.example.test."}, 1
	var last turn
	for _, t := range turns {
		for range t.seconds {
			now, last = now.Add(time.Second), t
			if o, why := r.Second(see(t)); o != Running {
				r.End(now, o, why)
				over := now
				for {
					now = now.Add(time.Second)
					after := turn{alpha: 10, state: "up", latency: last.latency}
					if r.Later(see(after), now.Sub(over)) {
						return r
					}
				}
			}
		}
	}
	return r
}

// The reports of drills, as people and machines get them: what succeeded, what
// a survivor's fall ended, what its latency ended, each beside the one before;
// and what was refused.
func TestReports(t *testing.T) {
	went := play([]turn{{2, 10, 0, "up", 30 * time.Millisecond}, {1, 2, 8, "up", 35 * time.Millisecond}, {17, 0, 10, "up", 40 * time.Millisecond}})
	fell := play([]turn{{3, 0, 10, "up", 60 * time.Millisecond}, {1, 0, 10, "down", 60 * time.Millisecond}})
	slow := play([]turn{{5, 0, 10, "up", 60 * time.Millisecond}, {11, 0, 10, "up", 900 * time.Millisecond}})
	fell.Compare(went)
	plan := went.Plan
	refused := Refuse(plan, "ns1.example.test", went.Forecast, []string{"beta is down", "rule pair: of alpha, beta at least 1 must be up, and 0 would be"})
	refused.Names, refused.Count = went.Names, went.Count
	for _, tt := range []struct {
		name   string
		report *Report
		want   Outcome
	}{{"succeeded", went, Succeeded}, {"survivor-down", fell, Failed}, {"latency", slow, Failed}, {"refused", refused, Refused}} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.report.Outcome != tt.want {
				t.Fatalf("%s (%s), want %s", tt.report.Outcome, tt.report.Why, tt.want)
			}
			text, err := json.MarshalIndent(tt.report, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			var page bytes.Buffer
			if err := tt.report.HTML(&page); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".md", []byte(tt.report.Markdown()))
			golden(t, tt.name+".json", append(text, '\n'))
			golden(t, tt.name+".html", page.Bytes())
		})
	}
}

// golden holds got against the file name of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, d)
	}
}
