package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Drill is a practice run: an outage on purpose, by a schedule.
type Drill struct {
	Name     string
	Pools    []string       // that are taken away, at least one
	Services []string       // whose answers move, fully qualified; none: all that have one of Pools
	For      time.Duration  // how long; 1s–72h
	Share    float64        // of the answers that the pools would give; above 0, at most 1, the default
	Zone     *time.Location // that all times below are in; default UTC
	Schedule cron.Schedule  // when it begins
	Windows  []Window       // it runs within one of these only; none: whenever
	Blocked  []Dates        // it never runs on these
	AbortIf  []Abort        // beside fail-open and survivor down, which always count
	Reason   string         // for people; default "practice run NAME"
}

// A Window is a time of certain days.
type Window struct {
	Days     [7]bool // by time.Weekday
	From, To int     // minutes after midnight, From before To; To at most 1440
}

// Dates are the days from First to Last, both among them, as year, month and
// day of the time zone they are used in.
type Dates struct{ First, Last time.Time }

// Next returns when d begins after now; zero: never within five years.
func (d *Drill) Next(now time.Time) time.Time { return d.Schedule.Next(now.In(d.Zone)) }

// Bars says why nothing of d may run from began to ends; "" when it may.
func (d *Drill) Bars(began, ends time.Time) string {
	began, ends = began.In(d.Zone), ends.In(d.Zone)
	for _, b := range d.Blocked {
		if y := day0(ends, time.UTC); !y.Before(b.First) && !day0(began, time.UTC).After(b.Last) {
			return "it would run on a blocked date (" + b.String() + ")"
		}
	}
	if len(d.Windows) == 0 || slices.ContainsFunc(d.Windows, func(w Window) bool { return w.holds(began, ends) }) {
		return ""
	}
	return fmt.Sprintf("from %s to %s is not within one of its windows (%s)", began.Format("Mon 2006-01-02 15:04 MST"), ends.Format("Mon 2006-01-02 15:04 MST"), windowsText(d.Windows))
}

// day0 returns the day of t as midnight in zone.
func day0(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// holds reports whether from began to ends lies in w, on one of its days.
func (w Window) holds(began, ends time.Time) bool {
	last := ends.Add(-1)
	y1, m1, d1 := began.Date()
	y2, m2, d2 := last.Date()
	minute := func(t time.Time) float64 {
		return float64(t.Hour()*60+t.Minute()) + (float64(t.Second())+float64(t.Nanosecond())/1e9)/60
	}
	return y1 == y2 && m1 == m2 && d1 == d2 && w.Days[began.Weekday()] && minute(began) >= float64(w.From) && minute(last) < float64(w.To)
}

// String returns d as it is written: 2026-12-24, or 2026-12-20..2027-01-03.
func (d Dates) String() string {
	if d.First.Equal(d.Last) {
		return d.First.Format(time.DateOnly)
	}
	return d.First.Format(time.DateOnly) + ".." + d.Last.Format(time.DateOnly)
}

// String returns w as it is written: Mon,Tue 09:00-17:00.
func (w Window) String() string {
	var days []string
	for i := range 7 {
		if d := (i + 1) % 7; w.Days[d] {
			days = append(days, time.Weekday(d).String()[:3])
		}
	}
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d", strings.Join(days, ","), w.From/60, w.From%60, w.To/60, w.To%60)
}

func windowsText(ws []Window) string {
	out := make([]string, len(ws))
	for i, w := range ws {
		out[i] = w.String()
	}
	return strings.Join(out, "; ")
}

// parseWindow reads "Mon-Fri 09:00-17:00", "Tue,Thu 22:00-24:00", or a time
// alone, which is of every day.
func parseWindow(text string) (w Window, ok bool) {
	words := strings.Fields(text)
	if len(words) == 1 {
		words = []string{"Mon-Sun", words[0]}
	}
	if len(words) != 2 {
		return w, false
	}
	for part := range strings.SplitSeq(words[0], ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		a, b := weekday(first), weekday(last)
		if a < 0 || b < 0 {
			return w, false
		}
		for d := a; ; d = (d + 1) % 7 {
			w.Days[d] = true
			if d == b {
				break
			}
		}
	}
	from, to, span := strings.Cut(words[1], "-")
	w.From, w.To = clockOf(from), clockOf(to)
	return w, span && w.From >= 0 && w.From < w.To
}

// weekday returns the day called text, as Mon; -1 for none.
func weekday(text string) int {
	for d := range 7 {
		if time.Weekday(d).String()[:3] == text {
			return d
		}
	}
	return -1
}

// clockOf reads 09:00 as minutes, up to 24:00; -1 for what is no time.
func clockOf(text string) int {
	hour, minute, ok := strings.Cut(text, ":")
	h, err := strconv.Atoi(hour)
	m, err2 := strconv.Atoi(minute)
	if !ok || err != nil || err2 != nil || len(text) != 5 || h < 0 || h > 24 || m < 0 || m > 59 || h == 24 && m > 0 {
		return -1
	}
	return 60*h + m
}

// parseDates reads 2026-12-24 or 2026-12-20..2027-01-03.
func parseDates(text string) (d Dates, ok bool) {
	first, last, span := strings.Cut(text, "..")
	if !span {
		last = first
	}
	var err, err2 error
	d.First, err = time.Parse(time.DateOnly, first)
	d.Last, err2 = time.Parse(time.DateOnly, last)
	return d, err == nil && err2 == nil && !d.Last.Before(d.First)
}

// drills makes the practice runs.
func (r *reader) drills(list []rawDrill, pools map[string]place, zones []Zone) []Drill {
	services := map[string]place{}
	for _, raw := range list {
		if len(raw.Services) == 0 {
			continue
		}
		for _, z := range zones {
			for _, s := range z.Services {
				services[s.Name] = place{}
			}
		}
		break
	}
	var out []Drill
	seen := map[string]place{}
	for i := range list {
		p, raw := top("drills").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		d := r.drill(p, raw, pools, services)
		r.named(p, raw.Name, seen, d.Name, i)
		out = append(out, d)
	}
	return out
}

func (r *reader) drill(p path, raw *rawDrill, pools, services map[string]place) Drill {
	d := Drill{Name: r.label(p.sub("name"), raw.Name, ""), Share: r.share(p.sub("share"), raw.Share, 1, 0.01, 100), Zone: time.UTC}
	for _, need := range []struct {
		missing    bool
		what, mend string
	}{
		{raw.Name.missing(), "the drill has no name", "write name: NAME, by which reports call it"},
		{len(raw.Pools) == 0, "the drill takes no pool away", "write pools: [POOL, …]"},
		{raw.For.missing(), "the drill has no end", "write for: 30m, at most 72h"},
		{raw.Schedule.missing(), "the drill has no schedule", `write schedule: "0 10 * * 2", as cron does: minute, hour, day, month, weekday`},
	} {
		if need.missing {
			r.problem(p, at(raw.Line), need.what, need.mend)
		}
	}
	d.Pools = r.poolNames(p.sub("pools"), raw.Pools, pools)
	d.For = r.span(p.sub("for"), raw.For, time.Second, time.Second, 3*day)
	d.Reason = raw.Reason.or("practice run " + d.Name)
	for i, s := range raw.Services {
		if name := r.name(p.sub("services").item(i), s); name != "" && r.refers(p.sub("services").item(i), scalar{text: name, line: s.line}, "service", services) {
			d.Services = append(d.Services, name)
		}
	}
	r.drillTimes(p, raw, &d)
	for i, s := range raw.AbortIf {
		at := p.sub("abort_if").item(i)
		a, err := ParseAbort(s.text)
		switch {
		case !s.set():
		case err != nil:
			r.problem(at, s, fmt.Sprintf("%q is no condition", clip(s.text)), abortMend)
		case a.Pool != "" && slices.Contains(d.Pools, a.Pool):
			r.problem(at, s, a.Pool+" is what the drill takes away", "name a pool that stays")
		case a.Pool == "" || r.refers(at, scalar{text: a.Pool, line: s.line}, "pool", pools):
			d.AbortIf = append(d.AbortIf, a)
		}
	}
	return d
}

// drillTimes reads when d runs and when not.
func (r *reader) drillTimes(p path, raw *rawDrill, d *Drill) {
	if raw.TimeZone.set() {
		zone, err := time.LoadLocation(raw.TimeZone.text)
		if err != nil || raw.TimeZone.text == "" || raw.TimeZone.text == "Local" {
			r.problem(p.sub("time_zone"), raw.TimeZone, fmt.Sprintf("%q is no time zone here", clip(raw.TimeZone.text)), "write UTC, or a name of the time zone database, as Europe/Berlin")
		} else {
			d.Zone = zone
		}
	}
	if raw.Schedule.set() {
		s, err := cron.ParseStandard(raw.Schedule.text)
		if err != nil || strings.Contains(raw.Schedule.text, "TZ=") || strings.HasPrefix(raw.Schedule.text, "@every") {
			r.problem(p.sub("schedule"), raw.Schedule, fmt.Sprintf("%q is no schedule", clip(raw.Schedule.text)), `write minute, hour, day, month and weekday, as "0 10 * * 2" for Tuesdays at ten; the zone is time_zone`)
		} else {
			d.Schedule = s
		}
	}
	for i, s := range raw.Windows {
		if w, ok := parseWindow(s.text); ok {
			d.Windows = append(d.Windows, w)
		} else if s.set() {
			r.problem(p.sub("windows").item(i), s, fmt.Sprintf("%q is no window", clip(s.text)), "write days and times, as Mon-Fri 09:00-17:00")
		}
	}
	for i, s := range raw.Blocked {
		if b, ok := parseDates(s.text); ok {
			d.Blocked = append(d.Blocked, b)
		} else if s.set() {
			r.problem(p.sub("blocked_dates").item(i), s, fmt.Sprintf("%q is no date", clip(s.text)), "write 2026-11-27, or 2026-12-20..2027-01-03")
		}
	}
}
