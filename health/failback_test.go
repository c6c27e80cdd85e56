package health

import (
	"strings"
	"testing"
	"time"
)

// Histories are a state every ten minutes: U up, D down, ? unknown, and L a
// person who lets the pool back while it is up. Below each stands what the
// pool may do: A answer, - nothing since it is down, t wait for its time, p
// wait for a person.
func TestFailback(t *testing.T) {
	auto := FailbackRule{Long: 6 * time.Hour}
	for _, c := range []struct {
		name          string
		rule          FailbackRule
		history, want string
	}{
		{"at once", auto, "UUDDUU", "AA--AA"},
		{"unknown is no fall", auto, "??UU??D?U", "AAAAAA--A"},
		{"down from the start is a fall", FailbackRule{Manual: true}, "DDUU", "--pp"},
		{"a person lets it", FailbackRule{Manual: true}, "UDUUULUU", "A-pppAAA"},
		{"after half an hour", FailbackRule{After: 30 * time.Minute}, "UDUUUUU", "A-tttAA"},
		{"which begins anew with each fall", FailbackRule{After: 30 * time.Minute}, "UDUUDUUUU", "A-tt-tttA"},
		{"a person may shorten that", FailbackRule{After: 30 * time.Minute}, "UDULU", "A-tAA"},
		{"six hours are not long", auto, "U" + strings.Repeat("D", 36) + "UU", "A" + strings.Repeat("-", 36) + "AA"},
		{"longer than six hours are", auto, "U" + strings.Repeat("D", 37) + "UULU", "A" + strings.Repeat("-", 37) + "ppAA"},
		{"a fall goes on where it waits", auto, "U" + strings.Repeat("D", 37) + "UDUL", "A" + strings.Repeat("-", 37) + "p-pA"},
		{"so it does while it waits for its time", FailbackRule{After: 30 * time.Minute, Long: time.Hour}, "UDDDUDDDU", "A---t---p"},
		{"and begins anew once it was back", FailbackRule{Long: time.Hour}, "UDDDDUDDDDU", "A----A----A"},
		{"nothing is too long", FailbackRule{}, "U" + strings.Repeat("D", 500) + "U", "A" + strings.Repeat("-", 500) + "A"},
	} {
		var f Fall
		var got strings.Builder
		at, since, state, up := start, start, Unknown, false
		for _, h := range c.history {
			s := map[rune]State{'U': Up, 'L': Up, 'D': Down, '?': Unknown}[h]
			if s != state {
				state, since = s, at
			}
			f = c.rule.Next(f, up, s, since, at)
			up = s == Up
			if h == 'L' {
				f = Fall{}
			}
			left, waits := c.rule.Wait(f, at)
			if (c.rule.Why(f, at) != "") != waits {
				t.Errorf("%s: waits: %v, and says %q", c.name, waits, c.rule.Why(f, at))
			}
			switch {
			case s == Down || s == Unknown && f.Fallen():
				got.WriteByte('-')
			case !waits:
				got.WriteByte('A')
			case left > 0:
				got.WriteByte('t')
			default:
				got.WriteByte('p')
			}
			at = at.Add(10 * time.Minute)
		}
		if got.String() != c.want {
			t.Errorf("%s: %s → %s, want %s", c.name, c.history, &got, c.want)
		}
	}
}

// What a wait says is what a person on call reads.
func TestFailbackWords(t *testing.T) {
	f := Fall{Began: start, Ended: start.Add(8 * time.Hour)}
	for _, c := range []struct {
		rule FailbackRule
		want string
	}{
		{FailbackRule{Manual: true}, "by a person: it was down for 8h"},
		{FailbackRule{Long: 6 * time.Hour}, "by a person: it was down for 8h, longer than 6h"},
		{FailbackRule{After: 30 * time.Minute}, "at 2026-11-18T19:50:00Z, when it will have been up for 30m"},
		{FailbackRule{After: 10 * time.Second}, ""},
		{FailbackRule{}, ""},
	} {
		if got := c.rule.Why(f, f.Ended.Add(10*time.Minute)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.rule, got, c.want)
		}
	}
}

// A pool that is found down and is up within a minute has not fallen: one lost
// packet at a start needs no person. One that was seen up has.
func TestFoundDown(t *testing.T) {
	manual := FailbackRule{Manual: true}
	for _, c := range []struct {
		seen  bool
		down  time.Duration
		waits bool
	}{
		{false, 5 * time.Second, false},
		{false, FoundLong, true},
		{true, 5 * time.Second, true},
	} {
		f := manual.Next(Fall{}, c.seen, Down, start, start)
		f = manual.Next(f, false, Down, start, start.Add(time.Second)) // not seen up just before: it is down
		at := start.Add(c.down)
		f = manual.Next(f, false, Up, at, at)
		if _, waits := manual.Wait(f, at); waits != c.waits || f.Fallen() != c.waits {
			t.Errorf("seen up before: %v, down for %v: waits %v", c.seen, c.down, waits)
		}
	}
}
