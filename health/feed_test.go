package health

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// feedsOf reads feeds as "rum vote 1 down; synth critical 2 up; logs observe 9
// down ended", with a part as "am#1 vote 1 down".
func feedsOf(t *testing.T, text string, now time.Time) []Feed {
	t.Helper()
	var out []Feed
	for item := range strings.SplitSeq(text, ";") {
		w := strings.Fields(item)
		if len(w) == 0 {
			continue
		}
		f := Feed{Role: Role(w[1]), Says: map[string]State{"up": Up, "down": Down, "-": Unknown}[w[3]], Since: now.Add(-time.Minute), Until: now.Add(time.Minute), Reason: "so it says"}
		f.Source, f.Part, _ = strings.Cut(w[0], "#")
		if _, err := fmt.Sscan(w[2], &f.Weight); err != nil {
			t.Fatal(err)
		}
		if len(w) > 4 {
			f.Until = now
		}
		out = append(out, f)
	}
	return out
}

func TestJoin(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what   string
		probes State
		feeds  string
		want   string // state, works, and who is the reason
	}{
		{"nobody says anything", Up, "", "up false"},
		{"a vote as heavy as the probes moves nothing", Up, "rum vote 1 down", "up false"},
		{"two votes outweigh them", Up, "rum vote 1 down; logs vote 1 down", "down true rum logs"},
		{"one heavy vote does", Up, "rum vote 1.5 down", "down true rum"},
		{"a vote for up stands by them", Up, "rum vote 1.5 down; logs vote 1 up", "up false"},
		{"a light vote against a pool that is down", Down, "rum vote 1 up", "down false"},
		{"a heavy one", Down, "rum vote 2 up", "up false rum"},
		{"critical outranks all", Up, "synth critical 0.1 down; rum vote 9 up", "down true synth"},
		{"critical for up is a vote", Down, "synth critical 1 up", "down false"},
		{"one that observes counts for nothing", Up, "rum observe 9 down", "up false"},
		{"one that has ended counts for nothing", Up, "rum vote 9 down ended; synth critical 1 down ended", "up false"},
		{"probes that do not know have no vote", Unknown, "rum vote 0.1 down", "down false rum"},
		{"nor has a feed that does not know", Unknown, "rum vote 9 -", "unknown false"},
		{"parts have one vote", Up, "am#1 vote 1 down; am#2 vote 1 down", "up false"},
		{"which is down where one is", Up, "am#1 vote 2 up; am#2 vote 2 down", "down true am"},
		{"both down already", Down, "rum vote 1 down", "down false"},
	} {
		p := &Pool{State: c.probes, Since: now.Add(-time.Hour)}
		j := Join(p, feedsOf(t, c.feeds, now), now)
		got := fmt.Sprintf("%v %v", j.State, j.Works)
		for part := range strings.SplitSeq(j.Reason, "; ") {
			if source, _, ok := strings.Cut(strings.TrimPrefix(part, "feed "), ":"); ok {
				got += " " + source
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		if want := now.Add(-time.Hour); j.State == c.probes && !j.Since.Equal(want) || j.State != c.probes && !j.Since.Equal(now.Add(-time.Minute)) {
			t.Errorf("%s: since %v", c.what, j.Since)
		}
		if p.State != c.probes || p.Reason != "" {
			t.Errorf("%s: the pool was written to", c.what)
		}
	}
}

func TestJoinMeasures(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	feed := func(role Role, source string, latency time.Duration, load float64) Feed {
		return Feed{Source: source, Role: role, Weight: 1, Until: now.Add(1), Latency: latency, Load: load}
	}
	p := &Pool{State: Up, Latency: 10 * time.Millisecond}
	j := Join(p, []Feed{feed(VoteRole, "a", 30*time.Millisecond, 0.5), feed(VoteRole, "b", 50*time.Millisecond, 1), feed(ObserveRole, "c", time.Second, 9)}, now)
	if j.Latency != 40*time.Millisecond || math.Abs(j.Shed-0.45) > 1e-9 || j.State != Up {
		t.Errorf("latency %v, shed %v, %v", j.Latency, j.Shed, j.State)
	}
	if j = Join(p, nil, now); j.Latency != p.Latency || j.Shed != 0 {
		t.Errorf("without feeds: latency %v, shed %v", j.Latency, j.Shed)
	}
	last := 0.0
	for load := 0.0; load < 3; load += 0.001 {
		s := shed(load)
		if s < last || s > 0.9 {
			t.Fatalf("load %v sheds %v after %v", load, s, last)
		}
		last = s
	}
	if shed(0.8) != 0 || last < 0.9-1e-9 || shed(math.NaN()) > 0.9 {
		t.Errorf("shed %v at 0.8, %v at 3", shed(0.8), last)
	}
}
