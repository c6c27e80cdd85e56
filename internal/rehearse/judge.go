package rehearse

import (
	"fmt"
	"math"
	"strings"
)

// A Verdict is what a rehearsal says of one expectation or never-rule.
type Verdict struct {
	Rule string `json:"rule"` // as published_transitions le 3, or never crash
	Line int    `json:"line"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
}

// Judge measures t by all that its scenario demands.
func (t *Trace) Judge() []Verdict {
	var out []Verdict
	for _, e := range t.Scenario.Expect {
		got, why := measure(t, e)
		out = append(out, Verdict{Rule: e.String(), Line: e.Line, Got: got.Text, OK: e.holds(got), Why: why})
	}
	for _, n := range t.Scenario.Never {
		why := nevers()[n.Rule](t)
		got := "never"
		if why != "" {
			got = "it did"
		}
		out = append(out, Verdict{Rule: "never " + n.Rule, Line: n.Line, Got: got, OK: why == "", Why: why})
	}
	return out
}

// String returns e as one writes it.
func (e Expectation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", e.Metric, e.Op, e.Want.Text)
	if e.To > 0 {
		fmt.Fprintf(&b, " from %v to %v", e.From, e.To)
	}
	if e.At > 0 {
		fmt.Fprintf(&b, " at %v", e.At)
	}
	return b.String()
}

// holds compares got with what e wants. A number compares with a duration as
// seconds.
func (e Expectation) holds(got Value) bool {
	comparable := got.Is == e.Want.Is || got.Is == isDuration && e.Want.Is == isNumber || got.Is == isNumber && e.Want.Is == isDuration
	const close = 1e-9
	switch e.Op {
	case "eq":
		if e.Want.Is == isWord {
			return got.Text == e.Want.Text
		}
		return comparable && (got.Number == e.Want.Number || math.Abs(got.Number-e.Want.Number) <= close)
	case "le":
		return comparable && got.Number <= e.Want.Number+close
	}
	return comparable && got.Number >= e.Want.Number-close
}
