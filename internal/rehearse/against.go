package rehearse

import (
	"encoding/json"
	"fmt"
	"io"
)

// A Change is how one figure of a report compares with an earlier one.
type Change struct {
	Figure string `json:"figure"`
	Before string `json:"before"`
	After  string `json:"after"`
	Worse  bool   `json:"worse"` // else better
}

// ReadReport reads a report that was written as JSON.
func ReadReport(text []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("this is no report of a rehearsal in JSON: %w", err)
	}
	if r.Scenario == "" || r.Verdicts == nil {
		return nil, fmt.Errorf("this is no report of a rehearsal: it has no scenario or no verdicts")
	}
	return r, nil
}

// tolerance is how much a figure may differ without being better or worse, as
// a share of it; what is below the least does not count either.
const (
	tolerance = 0.01
	least     = 0.01
)

// Against says what is better and worse in r than in before. The error is for
// reports of different scenarios.
func (r *Report) Against(before *Report) ([]Change, error) {
	if r.Scenario != before.Scenario {
		return nil, fmt.Errorf("the report before is of %s, this one of %s", before.Scenario, r.Scenario)
	}
	out := []Change{}
	had := map[string]Verdict{}
	for _, v := range before.Verdicts {
		had[v.Rule] = v
	}
	for _, v := range r.Verdicts {
		if was, ok := had[v.Rule]; ok && was.OK != v.OK {
			out = append(out, Change{v.Rule, verdict(was.OK), verdict(v.OK), !v.OK})
		}
	}
	figure := func(name string, was, is *float64) {
		switch {
		case was == nil && is == nil:
		case was == nil || is == nil:
			out = append(out, Change{name, after(was), after(is), is == nil})
		case *is-*was > max(tolerance**was, least):
			out = append(out, Change{name, clock(*was), clock(*is), true})
		case *was-*is > max(tolerance**was, least):
			out = append(out, Change{name, clock(*was), clock(*is), false})
		}
	}
	minutes := func(m float64) *float64 { m *= 60; return &m }
	figure("user-visible errors", minutes(before.Errors.Shunt), minutes(r.Errors.Shunt))
	a, b := before.Times, r.Times
	figure("first failed probe", a.Detect, b.Detect)
	figure("held down everywhere", a.Decide, b.Decide)
	figure("no answer with it any more", a.Serve, b.Serve)
	figure("50 % of clients gone", a.Moved50, b.Moved50)
	figure("95 % of clients gone", a.Moved95, b.Moved95)
	figure("99 % of clients gone", a.Moved99, b.Moved99)
	if before.Moves != r.Moves {
		out = append(out, Change{"transitions", fmt.Sprint(before.Moves), fmt.Sprint(r.Moves), r.Moves > before.Moves})
	}
	return out, nil
}

func verdict(ok bool) string {
	if ok {
		return "met"
	}
	return "failed"
}

// WriteChanges writes changes for people.
func WriteChanges(w io.Writer, changes []Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "\nas good as before")
		return err
	}
	fmt.Fprintln(w)
	for _, c := range changes {
		word := "better"
		if c.Worse {
			word = "WORSE"
		}
		if _, err := fmt.Fprintf(w, "%-6s  %s: %s, before %s\n", word, c.Figure, c.After, c.Before); err != nil {
			return err
		}
	}
	return nil
}
