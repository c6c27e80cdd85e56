package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
)

const feedConfig = testConfig + `
feeds:
  - {name: rum, expires: 1h, down_below: 90%, up_from: 95%}
  - {name: logs, expires: 1h}
  - {name: only-b, role: critical, pools: [b]}
`

// feeding starts a controller whose pools are all up by their probes.
func feeding(t *testing.T) *bench {
	dir := t.TempDir()
	writeFile(t, dir, "shunt.yaml", feedConfig)
	return start(t, dir, "a+ b+ c+")
}

// word says something in short: "rum a down", "rum a 93%", with a time as in
// "logs a down 1s".
func (b *bench) word(text string) (FeedStatus, error) {
	b.Helper()
	f := strings.Fields(text)
	w := Word{Source: f[0], Pool: f[1]}
	w.Source, w.Part, _ = strings.Cut(f[0], "#")
	switch f[2] {
	case "up", "down":
		up := f[2] == "up"
		w.Up = &up
	default:
		var a float64
		if _, err := fmt.Sscanf(f[2], "%f%%", &a); err != nil {
			b.Fatal(err)
		}
		a /= 100
		w.Availability = &a
	}
	if len(f) > 3 {
		var err error
		if w.Lasts, err = time.ParseDuration(f[3]); err != nil {
			b.Fatal(err)
		}
	}
	s, _, err := b.Feed(context.Background(), w)
	return s, err
}

// stands reports who answers www, and the states of all pools, as "b: - + +".
func (b *bench) stands() string {
	s := b.Status()
	out := strings.Join(s.Services[0].Answering, ",") + ":"
	for _, p := range s.Pools {
		out += " " + map[string]string{"up": "+", "down": "-", "unknown": "?"}[p.State]
	}
	return out
}

func TestFeeds(t *testing.T) {
	b := feeding(t)
	for _, c := range []struct{ say, want string }{
		{"rum a down", "a: + + +"},
		{"logs a down", "b: - + +"},
		{"only-b b down", "c: - - +"},
		{"rum a 92%", "c: - - +"}, // neither up nor down: as before
		{"rum a 96%", "a: + - +"},
		{"rum a 92%", "a: + - +"},
		{"rum a 89%", "c: - - +"},
		{"only-b b up", "b: - + +"},
		{"logs#1 c down", "b: - + +"},
		{"logs#2 c down", "b: - + +"}, // two parts, one vote
		{"rum c down", "b: - + -"},
	} {
		if _, err := b.word(c.say); err != nil {
			t.Fatalf("%s: %v", c.say, err)
		}
		if got := b.stands(); got != c.want {
			t.Errorf("%s: %q, want %q", c.say, got, c.want)
		}
	}
	if err := b.ClearFeed(t.Context(), "a", "rum", ""); err != nil {
		t.Fatal(err)
	}
	if got := b.stands(); got != "a: + + -" {
		t.Errorf("cleared: %q", got)
	}
	for _, say := range []string{"nobody a down", "rum x down", "only-b a down", "rum a 101%", "rum a down 2h"} {
		if _, err := b.word(say); err == nil {
			t.Errorf("%s was taken", say)
		}
	}
	if _, err := b.word("rum#" + strings.Repeat("x", 201) + " a down"); err == nil || !strings.HasPrefix(err.Error(), "part: ") {
		t.Errorf("a long part: %v", err)
	}
}

// A word ends by itself, and what it moved moves back.
func TestFeedExpires(t *testing.T) {
	b := feeding(t)
	s := &scribe{}
	if err := b.do(t.Context(), func() error { b.deps.Event = s.note; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.word("rum a down"); err != nil {
		t.Fatal(err)
	}
	status, err := b.word("logs a down 3s") // long enough for a machine that does much else
	if err != nil || status.Until == nil || time.Until(*status.Until) > 3*time.Second {
		t.Fatalf("%+v %v", status, err)
	}
	if got := b.stands(); got != "b: - + +" {
		t.Fatalf("meanwhile %q", got)
	}
	s.await(t, "transition a down>silent info")
	s.await(t, "transition a down>up info")
	if got := b.stands(); got != "a: + + +" {
		t.Errorf("after it %q", got)
	}
	feeds := b.Status().Pools[0].Feeds
	if len(feeds) != 2 || feeds[0].Says != "down" || feeds[1].Says != "silent" {
		t.Errorf("%+v", feeds)
	}
}

// A freeze holds what feeds have said, an override outranks them, and a reload
// forgets those that are no longer configured.
func TestFeedsAndPeople(t *testing.T) {
	b := feeding(t)
	f, err := health.NewFreeze("a test", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Freeze(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if _, err := b.word("only-b b down"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.word("rum a down"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.word("logs a down"); err != nil {
		t.Fatal(err)
	}
	if got := b.stands(); got != "a: - - +" {
		t.Errorf("frozen: %q", got)
	}
	if err := b.Unfreeze(t.Context(), "kim"); err != nil {
		t.Fatal(err)
	}
	if got := b.stands(); got != "c: - - +" {
		t.Errorf("unfrozen: %q", got)
	}
	o, err := health.NewOverride("a", health.ForceUp, "a test", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Override(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	if got := b.stands(); got != "a: - - +" {
		t.Errorf("overridden: %q", got)
	}
	if err := b.ClearOverride(t.Context(), "a", "kim"); err != nil {
		t.Fatal(err)
	}
	b.write(strings.Replace(feedConfig, "  - {name: logs, expires: 1h}\n", "", 1))
	if err := b.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := b.stands(); got != "a: + - +" {
		t.Errorf("reloaded: %q", got)
	}
}
