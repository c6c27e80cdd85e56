package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A life of a route in seconds: what holds, a letter each, a capital one is
// critical, "!" behind one that happened; then what is told at that second.
// A message takes no time, and is delivered unless its line ends in "lost".
func TestBook(t *testing.T) {
	for _, tt := range []struct {
		name  string
		route config.Alert
		lines string
	}{
		{"raised and ended", config.Alert{Resolved: true, Group: 2 * time.Second}, `
			0 a
			1 a
			2 a    raised a
			3 a
			9      
			11     ended a
			12 `},
		{"alarms of one window go together, critical first", config.Alert{Resolved: true, Group: 2 * time.Second}, `
			0 a
			1 a B
			2 a B  raised B, raised a`},
		{"shorter than the window", config.Alert{Resolved: true, Group: 5 * time.Second}, `
			0 a
			1
			5      ended a
			6`},
		{"no ends", config.Alert{Group: 0}, `
			0 a    raised a
			1
			2 a    raised a`},
		{"what came back before its end was told", config.Alert{Resolved: true, Group: 2 * time.Second}, `
			0 a
			2 a    raised a
			5
			6 a
			7 a
			8 a`},
		{"repeats", config.Alert{Resolved: true, Repeat: 10 * time.Second}, `
			0 a    raised a
			9 a
			10 a   lasts a
			19 a
			20 a   lasts a`},
		{"never again", config.Alert{Resolved: true}, `
			0 a    raised a
			99999 a`},
		{"alertmanager hears each minute", config.Alert{Resolved: true, Kind: config.Alertmanager}, `
			0 a    raised a
			59 a
			60 a   lasts a`},
		{"critical only", config.Alert{Resolved: true, Severity: "critical"}, `
			0 a
			1 a B  raised B
			2 a    ended B`},
		{"some codes only", config.Alert{Resolved: true, Codes: []string{"b"}}, `
			0 a b  raised b`},
		{"what becomes critical", config.Alert{Resolved: true}, `
			0 a    raised a
			1 A    raised A
			2 A`},
		{"what happened", config.Alert{Resolved: true}, `
			0 a!   happened a
			1
			2 a!   happened a`},
		{"lost: how things stand is told, not how they went", config.Alert{Resolved: true}, `
			0 a b  raised a, raised b lost
			1 a    raised a, ended b lost
			2 a c  raised a, raised c, ended b
			3 a c`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b Book
			began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for line := range strings.Lines(strings.TrimSpace(tt.lines)) {
				line = strings.TrimSpace(line)
				state, want, _ := strings.Cut(line, "  ")
				words := strings.Fields(state)
				var seconds int
				fmt.Sscan(words[0], &seconds)
				now := began.Add(time.Duration(seconds) * time.Second)
				var alarms, happened []Alarm
				for _, w := range words[1:] {
					code := strings.TrimSuffix(w, "!")
					a := Alarm{Code: strings.ToLower(code), Severity: "warning", Since: now}
					if code != a.Code {
						a.Severity = "critical"
					}
					if w != code {
						happened = append(happened, a)
					} else {
						alarms = append(alarms, a)
					}
				}
				b.Next(&tt.route, now, alarms, happened)
				var got []string
				want, lost := strings.CutSuffix(strings.TrimSpace(want), " lost")
				if due := b.Due(&tt.route); !due.IsZero() && !now.Before(due) {
					items := b.Items()
					for _, i := range items {
						code := i.Code
						if i.Severity == "critical" {
							code = strings.ToUpper(code)
						}
						got = append(got, string(i.State)+" "+code)
					}
					if !lost {
						b.Sent(now, items)
					}
				}
				if strings.Join(got, ", ") != want {
					t.Errorf("%q: told %q", line, strings.Join(got, ", "))
				}
			}
		})
	}
}

// A route that is out of order for long keeps a bounded number of items.
func TestBookIsBounded(t *testing.T) {
	var b Book
	r := config.Alert{Resolved: true}
	var alarms []Alarm
	for i := range 3 * mostPending {
		alarms = append(alarms, Alarm{Code: "pool-down", Subject: fmt.Sprint(i), Severity: "warning"})
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.Next(&r, now, alarms, nil)
	if n := len(b.Items()); n != mostPending {
		t.Errorf("%d items wait", n)
	}
	b.Sent(now, b.Items())
	b.Next(&r, now, alarms, nil)
	if n := len(b.Items()); n != mostPending {
		t.Errorf("%d of the others wait then", n)
	}
}
