package drill

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Report is what is known of one drill: its plan, what was foreseen, and
// what came. Its JSON names are part of the interface.
type Report struct {
	Plan    Plan       `json:"plan"`
	Node    string     `json:"node"`
	Names   []string   `json:"services"`      // whose answers move: the first of them
	Count   int        `json:"service_count"` // of all of them
	Outcome Outcome    `json:"outcome"`
	Why     string     `json:"why"`               // of the outcome
	Ended   *time.Time `json:"ended"`             // absent while it runs, and of one that was refused
	Broke   []string   `json:"broke,omitempty"`   // guards that force overruled
	Refused []string   `json:"refused,omitempty"` // every reason of a refusal

	Forecast Forecast  `json:"forecast"`
	Came     []Portion `json:"came"` // before and during, as answered; the first second is left out
	Events   []Event   `json:"events"`
	Series   Series    `json:"series"`

	FirstSteered *int    `json:"first_steered_seconds"` // after the beginning: the first second in which answers were as the drill has them
	Tail         Tail    `json:"tail"`
	Survivors    []Vital `json:"survivors"`

	Previous *Difference `json:"previous,omitempty"` // to the drill of the same pools before

	DownBefore []string `json:"down_before,omitempty"` // pools that were down when it began

	last []map[string]uint64        // answers of the latest seconds
	laps map[string][]time.Duration // likewise, by pool: how long its latest probes took
}

// An Event is a line of the timeline.
type Event struct {
	At      time.Time `json:"at"`
	Seconds int       `json:"seconds"` // after the beginning
	What    string    `json:"what"`
}

// A Tail is how long clients may still have had answers from before.
type Tail struct {
	TTL       int  `json:"ttl_seconds"`        // of those answers at most
	LastGiven *int `json:"last_given_seconds"` // after the beginning: the last second in which a pool that was taken away answered
	Expired   *int `json:"expired_seconds"`    // after the beginning: when the last of them has left every cache that keeps to its TTL
}

// A Vital is how one survivor was.
type Vital struct {
	Pool   string  `json:"pool"`
	Before Stretch `json:"before"`
	During Stretch `json:"during"`
	After  Stretch `json:"after"`
}

// A Stretch is how a pool was over a while. Latencies are of probes, in
// milliseconds.
type Stretch struct {
	Seconds int     `json:"seconds"` // looked at
	Down    int     `json:"down_seconds"`
	Mean    float64 `json:"mean_ms"`
	Least   float64 `json:"least_ms"`
	Most    float64 `json:"most_ms"`

	Probed int `json:"probed_seconds"` // in which a latency was known
}

// A Moment is what is seen in one second of a drill.
type Moment struct {
	At       time.Time
	Pools    []Seen            // of its services
	Others   []Seen            // that conditions of it name
	FailOpen []string          // services of it that do
	Answers  map[string]uint64 // of its services, by pool, since the moment before
}

// A Seen is one pool at a moment.
type Seen struct {
	Name    string
	State   string        // up, down, unknown
	Reason  string        // why it is not up
	Latency time.Duration // of its probes, smoothed; 0: not known
	Last    time.Duration // of the latest probes of its endpoints that are up, their mean; 0: not known
}

// Settle is how long a drill is looked at after its end.
const Settle = 30 * time.Second

// Begin returns the report of p, which begins at m. TTL is the longest of its
// services.
func Begin(p Plan, node string, f Forecast, ttl time.Duration, broke []string, m Moment) *Report {
	r := &Report{Plan: p, Node: node, Outcome: Running, Why: "it goes on", Broke: broke, Forecast: f, Came: []Portion{}, Survivors: []Vital{},
		Tail: Tail{TTL: int(ttl / time.Second)}}
	r.note(m.At, fmt.Sprintf("begins: %s", p.What()))
	for _, b := range broke {
		r.note(m.At, "as forced, although "+b)
	}
	for _, s := range slices.Concat(m.Pools, m.Others) {
		if s.State == "down" {
			r.DownBefore = append(r.DownBefore, s.Name)
		}
	}
	for _, s := range m.Pools {
		if !r.takes(s.Name) {
			v := Vital{Pool: s.Name}
			v.Before.add(s)
			r.Survivors = append(r.Survivors, v)
		}
	}
	return r
}

// Refuse returns the report of p, which may not begin.
func Refuse(p Plan, node string, f Forecast, why []string) *Report {
	r := &Report{Plan: p, Node: node, Outcome: Refused, Why: "guards said no", Refused: why, Forecast: f, Came: []Portion{}, Survivors: []Vital{}}
	r.note(p.Began, "refused")
	return r
}

// Second takes in m, and says as Judge does whether that ends the drill.
func (r *Report) Second(m Moment) (Outcome, string) {
	r.measure(m)
	r.vitals(m, func(v *Vital) *Stretch { return &v.During })
	r.lap(m)
	return r.Judge(m)
}

// lap notes how long the latest probes of each survivor took.
func (r *Report) lap(m Moment) {
	if r.laps == nil {
		r.laps = map[string][]time.Duration{}
	}
	for _, s := range m.Pools {
		if l := append(r.laps[s.Name], s.Last); !r.takes(s.Name) {
			r.laps[s.Name] = l[max(0, len(l)-window):]
		}
	}
}

// Judge says whether m ends the drill: with what outcome, and why. Outcome is
// Running while nothing does.
//
//	first that holds                                      ends it as
//	a condition of the plan is met                        failed
//	a pool that it takes away is down, and was not        interrupted: that is in earnest
//	its time is over                                      succeeded
func (r *Report) Judge(m Moment) (Outcome, string) {
	conditions, err := r.Plan.Conditions()
	if err != nil {
		return Interrupted, err.Error()
	}
	for _, a := range conditions {
		if why := met(a, r, &m); why != "" {
			return Failed, fmt.Sprintf("%s: %s", a.Text, why)
		}
	}
	for _, s := range m.Pools {
		if r.takes(s.Name) && s.State == "down" && !r.wasDown(s.Name) {
			return Interrupted, strings.TrimSuffix(fmt.Sprintf("%s fell in earnest (%s)", s.Name, s.Reason), " ()")
		}
	}
	if !m.At.Before(r.Plan.Ends) {
		return Succeeded, "its time is over"
	}
	return Running, ""
}

// Measure takes in m where the drill ends anyway.
func (r *Report) Measure(m Moment) { r.measure(m) }

// End notes how the drill ended, and when.
func (r *Report) End(at time.Time, o Outcome, why string) {
	r.Outcome, r.Why = o, why
	r.note(at, fmt.Sprintf("ends, %s: %s", o, why))
	wall := at.Round(0)
	r.Ended = &wall
	r.came(r.seconds(at))
}

// Later takes in a second after the end; it reports whether there is no need
// of more.
func (r *Report) Later(m Moment, since time.Duration) (enough bool) {
	r.measure(m)
	r.vitals(m, func(v *Vital) *Stretch { return &v.After })
	return since >= Settle
}

// Note adds a line to the timeline.
func (r *Report) Note(at time.Time, what string) { r.note(at, what) }

func (r *Report) note(at time.Time, what string) {
	const most = 500
	if len(r.Events) < most {
		r.Events = append(r.Events, Event{at.Round(0), r.seconds(at), what})
	}
}

// seconds returns how long after the beginning at is.
func (r *Report) seconds(at time.Time) int { return int(math.Round(at.Sub(r.Plan.Began).Seconds())) }

// measure takes the answers of m.
func (r *Report) measure(m Moment) {
	at := r.seconds(m.At)
	r.Series.add(at, m.Answers)
	r.last = append(r.last, m.Answers)
	if len(r.last) > window {
		r.last = r.last[1:]
	}
	if r.Outcome != Running {
		return
	}
	var taken, left uint64
	for pool, n := range m.Answers {
		if r.takes(pool) {
			taken += n
		} else {
			left += n
		}
	}
	if taken > 0 && r.Plan.Whole() {
		expired := at + r.Tail.TTL
		r.Tail.LastGiven, r.Tail.Expired = &at, &expired
	}
	if r.FirstSteered == nil && left > 0 && (taken == 0 || !r.Plan.Whole()) {
		r.FirstSteered = &at
		r.note(m.At, "the first steered answers")
	}
}

// latest returns the answers of the last seconds, and those of pool.
func (r *Report) latest(pool string) (all, of uint64) {
	for _, s := range r.last {
		for p, n := range s {
			all += n
			if p == pool {
				of += n
			}
		}
	}
	return all, of
}

// came sets what came, up to the end.
func (r *Report) came(end int) {
	by, all := r.Series.between(min(1, end-1), end)
	r.Came = []Portion{}
	for _, f := range r.Forecast.Pools {
		p := Portion{Pool: f.Pool, Before: f.Before}
		if all > 0 {
			p.After = 100 * float64(by[f.Pool]) / float64(all)
			p.Rate = float64(by[f.Pool]) / float64(max(1, end-1))
		}
		r.Came = append(r.Came, p)
	}
	if all == 0 {
		r.Came = []Portion{}
	}
}

// vitals adds m to a stretch of each survivor, and notes falls and returns.
func (r *Report) vitals(m Moment, of func(*Vital) *Stretch) {
	for _, s := range m.Pools {
		for i := range r.Survivors {
			if r.Survivors[i].Pool == s.Name {
				of(&r.Survivors[i]).add(s)
			}
		}
	}
}

func (t *Stretch) add(s Seen) {
	t.Seconds++
	if s.State == "down" {
		t.Down++
	}
	ms := float64(s.Latency.Microseconds()) / 1000
	if ms == 0 {
		return
	}
	if t.Least == 0 || ms < t.Least {
		t.Least = ms
	}
	t.Most = max(t.Most, ms)
	t.Probed++
	t.Mean += (ms - t.Mean) / float64(t.Probed)
}

// takes reports whether the drill takes pool away.
func (r *Report) takes(pool string) bool { return slices.Contains(r.Plan.Pools, pool) }

// wasDown reports whether pool was down when the drill began.
func (r *Report) wasDown(pool string) bool { return slices.Contains(r.DownBefore, pool) }

// A Difference is how a drill went beside the one of the same pools before.
type Difference struct {
	ID           string    `json:"id"`
	Began        time.Time `json:"began"`
	Outcome      Outcome   `json:"outcome"`
	FirstSteered *int      `json:"first_steered_seconds"` // more than then, of both that have one
	Lasted       float64   `json:"lasted_seconds"`        // more than then
	Latency      []Change  `json:"latency"`               // of probes of survivors during the drill, in ms
	Came         []Change  `json:"came"`                  // of the answers, in percent
}

// A Change is a value then and now.
type Change struct {
	Pool string  `json:"pool"`
	Then float64 `json:"then"`
	Now  float64 `json:"now"`
}

// Alike reports whether a and b drill the same pools in the same way.
func (p *Plan) Alike(o *Plan) bool {
	sorted := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	return slices.Equal(sorted(p.Pools), sorted(o.Pools)) && slices.Equal(sorted(p.Services), sorted(o.Services)) &&
		slices.Equal(sorted(p.Clients), sorted(o.Clients)) && p.Share == o.Share
}

// Compare sets how r differs from the earlier report then.
func (r *Report) Compare(then *Report) {
	d := &Difference{ID: then.Plan.ID, Began: then.Plan.Began, Outcome: then.Outcome, Latency: []Change{}, Came: []Change{}}
	if r.FirstSteered != nil && then.FirstSteered != nil {
		more := *r.FirstSteered - *then.FirstSteered
		d.FirstSteered = &more
	}
	if r.Ended != nil && then.Ended != nil {
		d.Lasted = (r.Ended.Sub(r.Plan.Began) - then.Ended.Sub(then.Plan.Began)).Round(time.Second).Seconds()
	}
	for _, v := range r.Survivors {
		for _, o := range then.Survivors {
			if o.Pool == v.Pool {
				d.Latency = append(d.Latency, Change{v.Pool, o.During.Mean, v.During.Mean})
			}
		}
	}
	for _, p := range r.Came {
		for _, o := range then.Came {
			if o.Pool == p.Pool {
				d.Came = append(d.Came, Change{p.Pool, o.After, p.After})
			}
		}
	}
	r.Previous = d
}
