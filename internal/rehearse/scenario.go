package rehearse

import (
	"fmt"
	"time"
)

// A Scenario is one outage: what failed when, and what must and must not come
// of it.
type Scenario struct {
	ID     string
	Title  string
	Source string // where the facts are from; "" when it is not said
	Story  string // what happened, and what an expectation means here
	Start  time.Time
	End    time.Time
	Phases []Phase
	Expect []Expectation
	Never  []Never
}

// Length returns how long the outage lasts: until the last phase ends, and at
// least from Start to End.
func (s *Scenario) Length() time.Duration {
	d := s.End.Sub(s.Start)
	for _, p := range s.Phases {
		d = max(d, p.At+p.For)
	}
	return d
}

// A Phase is one fault for some time.
type Phase struct {
	At, For time.Duration // since the start
	Target  string        // a role, as cdn-a or v1
	Plane   Plane
	Fault   Fault
	Ratio   float64 // share of what By says that is struck; above 0, at most 1, the default
	By      By
	Flap    *Flap    // nil: without a break
	Paths   []string // only these, as cached, uncached or /x; nil: all
	Except  []string // all but these
	Assumed bool     // not stated by the source
	Line    int
}

// By is what a ratio is a share of.
type By string

// What a ratio may be a share of.
const (
	ByRequest By = ""        // requests, drawn anew for each
	ByGeo     By = "geo"     // places: the same ones all the time
	ByHost    By = "host"    // customers' host names
	ByVantage By = "vantage" // vantages
)

// A Flap switches a fault on and off.
type Flap struct {
	Period time.Duration
	Bad    []bool  // by period, again from the beginning after the last; nil: Share
	Share  float64 // of the periods that are bad, drawn
}

// A Fault is what is seen.
type Fault struct {
	Kind      Kind
	Status    int           // 100–599
	Delay     time.Duration // of latency
	Bytes     int           // of size_limit: larger objects fail
	ShareOver float64       // strikes only while the target answers more than this share; 0: always
	Keep      float64       // of partial_inventory
	Step      time.Duration // of clock_step
	Crash     time.Duration // of oversize_config: the process would end so long after loading
	Hold      int           // of bad_generation: this generation is kept back …
	Release   time.Duration // … for so long
	Apply     int           // of bad_generation: this generation is applied …
	GC        int           // … and those older than this are removed
	Note      string
}

// An Expectation is what must come of it.
type Expectation struct {
	Metric string
	Op     string // eq, le or ge
	Want   Value
	From   time.Duration // only what happens from here …
	To     time.Duration // … to here counts; 0: the whole rehearsal
	At     time.Duration // the moment at which it is measured; 0: it is not of a moment
	Line   int
}

// A Value is a number, a duration, a word or a truth.
type Value struct {
	Text   string // as it was written
	Number float64
	Is     valueKind
}

type valueKind string

const (
	isNumber   valueKind = "number"
	isDuration valueKind = "duration" // Number is in seconds
	isWord     valueKind = "word"
	isTruth    valueKind = "truth" // Number is 0 or 1
)

// A Never is a rule that nothing may break.
type Never struct {
	Rule string
	Line int
}

// A Problem says what is wrong in a scenario, where, and what to do.
type Problem struct {
	File string
	Line int
	What string
	Do   string
}

// Error returns p on one line.
func (p Problem) Error() string {
	s := fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.What)
	if p.Do != "" {
		s += "; " + p.Do
	}
	return s
}
