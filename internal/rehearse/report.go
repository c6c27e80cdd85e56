package rehearse

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Report is what a rehearsal says, for machines and for people. Times are
// in seconds since the outage began; null stands for what did not happen.
type Report struct {
	Scenario   string    `json:"scenario"`
	Title      string    `json:"title"`
	Source     string    `json:"source,omitempty"`
	Story      string    `json:"story,omitempty"`
	Service    string    `json:"service"`
	Seed       uint64    `json:"seed"`
	Caches     int       `json:"caches"`
	Nodes      int       `json:"nodes"`
	Outage     float64   `json:"outage_s"`
	Rehearsed  float64   `json:"rehearsed_s"`
	OK         bool      `json:"ok"` // every expectation was met, and no never-rule broken
	Verdicts   []Verdict `json:"verdicts"`
	Times      Times     `json:"times"`
	Moves      int       `json:"transitions"` // at the node that has most
	Errors     Errors    `json:"error_minutes"`
	Timeline   []Event   `json:"timeline"`
	Answers    []Series  `json:"answer_shares"` // of the first node
	Clients    []Series  `json:"client_shares"`
	Failing    []Series  `json:"failing_shares"` // of the users' requests
	Assumed    []string  `json:"assumed"`
	Struck     string    `json:"struck"` // the pool that users feel first; "" for none
	PoolRoles  []string  `json:"pools"`  // as cdn-a=fastly
	Generation uint64    `json:"generations"`

	Wrong [][2]float64 `json:"wrong_s"` // from when to when users feel some fault, were it not for any switch
}

// Times say how long after the first fault something was reached.
type Times struct {
	Detect  *float64 `json:"detect_s"` // the first failed probe
	Decide  *float64 `json:"decide_s"` // the last node holds the pool down
	Serve   *float64 `json:"serve_s"`  // no node answers with it
	Moved50 *float64 `json:"moved_50_s"`
	Moved95 *float64 `json:"moved_95_s"`
	Moved99 *float64 `json:"moved_99_s"`
	Back    *float64 `json:"back_s"` // since the outage began: the first answer with it again
}

// Errors are the minutes of a total outage that are as bad as what users saw.
type Errors struct {
	Shunt float64 `json:"shunt"`
	Alone float64 `json:"single_path"`
	Other float64 `json:"switch_30s"` // a switch with checks each 30 s, three in a row, TTL 60
}

// An Event is one line of the timeline.
type Event struct {
	At   float64 `json:"at_s"`
	Node string  `json:"node"`
	What string  `json:"what"`
	Why  string  `json:"why,omitempty"`
}

// A Series is a share over time, in steps.
type Series struct {
	Name string    `json:"name"`
	At   []float64 `json:"at_s"`
	Y    []float64 `json:"share"`
}

// points is how many points a series has at most.
const points = 600

// NewReport measures t, which came of p.
func NewReport(p Plan, t *Trace) *Report {
	other := t.other(p)
	r := &Report{
		Scenario: t.Scenario.ID, Title: t.Scenario.Title, Source: t.Scenario.Source, Story: t.Scenario.Story,
		Service: t.Service, Seed: p.Seed, Caches: len(t.Clients.caches), Nodes: len(t.Nodes),
		Outage: t.Scenario.Length().Seconds(), Rehearsed: t.End.Seconds(),
		Verdicts: t.Judge(), Times: t.times(), Struck: t.hurt, Assumed: assumed(t.Scenario),
		Errors: Errors{round(t.errorMinutes(t.Clients)), round(t.alone()), round(t.errorMinutes(other))},
	}
	r.OK = !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return !v.OK })
	v, _ := transitions(t, Expectation{})
	r.Moves = int(v.Number)
	r.Timeline = t.timeline()
	for _, pool := range t.Pools {
		if target := t.Roles[pool]; target != "" {
			r.PoolRoles = append(r.PoolRoles, target+"="+pool)
		}
	}
	for i, pool := range t.Pools {
		s := Series{Name: pool}
		for _, st := range t.shares(0, i) {
			s.At, s.Y = append(s.At, seconds(st.from)), append(s.Y, round(st.value))
		}
		r.Answers = append(r.Answers, s.thin(t.End))
	}
	r.Clients = t.clientShares()
	r.Failing = []Series{t.failing("with shunt", t.Clients), t.failingAlone(), t.failing("checks each 30 s, TTL 60", other)}
	r.Wrong = wrong(t.Scenario)
	for n := range t.Nodes {
		if ms := t.movesOf(n); len(ms) > 0 {
			r.Generation = max(r.Generation, ms[len(ms)-1].Gen-ms[0].Gen)
		}
	}
	return r
}

// wrong merges the phases that users feel.
func wrong(s *Scenario) [][2]float64 {
	var phases []Phase
	for _, ph := range s.Phases {
		if hurts(ph.Plane) && ph.Fault.Kind != NoFault {
			phases = append(phases, ph)
		}
	}
	slices.SortFunc(phases, func(a, b Phase) int { return int(a.At - b.At) })
	out := [][2]float64{}
	for _, ph := range phases {
		from, to := seconds(ph.At), seconds(ph.At+ph.For)
		if n := len(out); n > 0 && from <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], to)
			continue
		}
		out = append(out, [2]float64{from, to})
	}
	return out
}

func seconds(d time.Duration) float64 { return round(d.Seconds()) }

// round keeps what a reader can use, so that the last bits of sums do not show.
func round(f float64) float64 { return math.Round(f*1e4) / 1e4 }

// assumed states what a rehearsal makes up.
func assumed(s *Scenario) []string {
	out := []string{
		fmt.Sprintf("%.2f %% of resolvers keep answers for 5 min, 15 min or an hour whatever the TTL (share: Bhowmick et al., PAM 2023)", 100*Extends),
		fmt.Sprintf("%.0f %% of resolvers answer from expired entries while no server answers (RFC 8767)", 100*ServesStale),
		fmt.Sprintf("%.0f %% of resolvers, with %.0f %% of the clients, are asked for the name every few minutes only", 100*Rare, 100*RareClients),
		"browsers keep an address for up to a minute, a quarter of them each 0, 20, 40 and 60 s",
		fmt.Sprintf("%.0f %% of requests are not served from caches of the edge", 100*uncachedShare),
		"nodes stand in the part of the world that is struck first and longest",
	}
	n := 0
	for _, ph := range s.Phases {
		if ph.Assumed {
			n++
		}
	}
	if n > 0 {
		out = append(out, fmt.Sprintf("%d of %d phases are assumed by the scenario", n, len(s.Phases)))
	}
	return out
}

// times measures the way from the first fault to the last client.
func (t *Trace) times() Times {
	pool := t.hurt
	if pool == "" {
		return Times{}
	}
	at := t.fault
	since := func(d time.Duration) *float64 {
		if d == never {
			return nil
		}
		s := seconds(d - at)
		return &s
	}
	var out Times
	out.Detect = since(t.Detected)
	decided := time.Duration(0)
	for n := range t.Nodes {
		first := never
		for _, s := range t.States {
			if s.Node == n && s.Pool == pool && s.State == "down" && s.At >= at {
				first = min(first, s.At)
			}
		}
		decided = max(decided, first)
	}
	out.Decide = since(decided)
	if v, _ := steerAway(t, Expectation{}); !math.IsInf(v.Number, 1) {
		s := round(v.Number)
		out.Serve = &s
	}
	moved := t.movedAt(pool, at)
	out.Moved50, out.Moved95, out.Moved99 = since(moved(0.50)), since(moved(0.95)), since(moved(0.99))
	if back := t.firstBack(); back != never {
		s := seconds(back)
		out.Back = &s
	}
	return out
}

// movedAt returns when a share of the clients that were with pool at a moment
// had left it.
func (t *Trace) movedAt(pool string, at time.Duration) func(share float64) time.Duration {
	type gone struct {
		at    time.Duration
		share float64
	}
	var left []gone
	all, i := 0.0, t.index(pool)
	t.Clients.each(t.End, func(p int, from, to time.Duration, share float64, _ bool) {
		if p != i || at < from || at >= to {
			return
		}
		all += share
		if to < t.End {
			left = append(left, gone{to, share})
		}
	})
	slices.SortFunc(left, func(a, b gone) int { return int(a.at - b.at) })
	return func(share float64) time.Duration {
		sum := 0.0
		for _, g := range left {
			if sum += g.share; sum >= share*all-1e-9 {
				return g.at
			}
		}
		return never
	}
}

// quiet is how long a timeline says no more of a pool whose state stays.
const quiet = 10 * time.Minute

// timeline merges what happened.
func (t *Trace) timeline() []Event {
	type timed struct {
		at time.Duration
		e  Event
	}
	var all []timed
	add := func(at time.Duration, node int, what, why string) {
		name := ""
		if node >= 0 {
			name = t.Nodes[node]
		}
		all = append(all, timed{at, Event{seconds(at), name, what, why}})
	}
	for _, ph := range t.Scenario.Phases {
		add(ph.At, -1, "begins: "+ph.String(), ph.Fault.Note)
		add(ph.At+ph.For, -1, "ends: "+ph.String(), "")
	}
	for _, n := range t.Notes {
		add(n.At, n.Node, n.Text, "")
	}
	told := map[string]State{}
	for _, s := range t.States {
		key := fmt.Sprint(s.Node, s.Pool)
		if was, ok := told[key]; ok && was.State == s.State && s.At-was.At < quiet {
			continue // whether votes count may change with each of them
		}
		told[key] = s
		what := fmt.Sprintf("%s is %s", s.Pool, s.State)
		why := s.Reason
		if s.Held != "" {
			what, why = what+", votes void", s.Held
		}
		if s.State == "up" && s.Held == "" {
			why = ""
		}
		add(s.At, s.Node, what, why)
	}
	for n := range t.Nodes {
		var last *Move
		moves := t.movesOf(n)
		for i := range moves {
			m := &moves[i]
			if last == nil || !slices.Equal(m.Pools, last.Pools) || !slices.Equal(m.Shares, last.Shares) || m.FailOpen != last.FailOpen {
				add(m.At, n, "answers with "+t.words(m), m.Why)
			}
			last = m
		}
	}
	raised := map[string]time.Duration{}
	for _, a := range t.Alarms {
		key := fmt.Sprint(a.Node, a.Code, a.Text)
		if was, ok := raised[key]; ok && a.At-was < quiet {
			continue
		}
		raised[key] = a.At
		add(a.At, a.Node, "alarm "+a.Code, a.Text)
	}
	slices.SortStableFunc(all, func(a, b timed) int { return int(a.at - b.at) })
	out := make([]Event, len(all))
	for i := range all {
		out[i] = all[i].e
	}
	return out
}

// words writes the shares of m.
func (t *Trace) words(m *Move) string {
	var out []string
	for i, pool := range t.Pools {
		if m.Shares[i] > 0 {
			out = append(out, fmt.Sprintf("%s %.4g%%", pool, 100*m.Shares[i]))
		}
	}
	if m.FailOpen {
		out = append(out, "(fail open)")
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// String writes ph in a few words.
func (ph Phase) String() string {
	s := fmt.Sprintf("%s, %s %s", ph.Target, ph.Plane, ph.Fault.Kind)
	if ph.Fault.Status > 0 {
		s += fmt.Sprintf(" %d", ph.Fault.Status)
	}
	if ph.Fault.Delay > 0 {
		s += fmt.Sprintf(" %v", ph.Fault.Delay)
	}
	if ph.Ratio < 1 {
		of := "requests"
		switch ph.By {
		case ByGeo:
			of = "places"
		case ByHost:
			of = "host names"
		case ByVantage:
			of = "vantages"
		}
		s += fmt.Sprintf(", %.4g%% of %s", 100*ph.Ratio, of)
	}
	if ph.Flap != nil {
		s += fmt.Sprintf(", on and off by %v", ph.Flap.Period)
	}
	return s
}
