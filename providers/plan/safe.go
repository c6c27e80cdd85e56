package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Caps bound what one run may do to a provider without a person's word.
type Caps struct {
	Changes int // names that may change
	Deletes int // names that may be left without an answer
}

// Refuse says why plans, which belong to one run, must not be carried out
// under c, with the names that are too many; "" where they may be. Plans
// without changes always may.
func (c Caps) Refuse(plans []*Plan) string {
	var changes, deletes []string
	for _, p := range plans {
		for _, s := range p.Steps {
			if changes = append(changes, s.Name); s.Deletes {
				deletes = append(deletes, s.Name)
			}
		}
	}
	var why []string
	if len(deletes) > c.Deletes {
		why = append(why, fmt.Sprintf("%d names would be deleted, more than %d (%s)", len(deletes), c.Deletes, some(deletes)))
	}
	if len(changes) > c.Changes {
		why = append(why, fmt.Sprintf("%d names would change, more than %d (%s)", len(changes), c.Changes, some(changes)))
	}
	return strings.Join(why, "; ")
}

// some lists at most ten of names.
func some(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Batches parts steps into requests of at most most changes. A step is never
// parted: one that has more is a request of its own. Most below 1 makes one
// request of each step.
func Batches(steps []Step, most int) [][]Step {
	var out [][]Step
	first, n := 0, 0
	for i, s := range steps {
		if i > first && n+len(s.Changes) > most {
			out = append(out, steps[first:i])
			first, n = i, 0
		}
		n += len(s.Changes)
	}
	if first < len(steps) {
		out = append(out, steps[first:])
	}
	return out
}

// Merge returns the changes of steps in the order in which they are to be made.
func Merge(steps []Step) []Change {
	var out []Change
	for _, s := range steps {
		out = append(out, s.Changes...)
	}
	return out
}

// Apply returns what is at a provider once changes are made to is, sorted by
// name and type. ok is false where a Before is not what is there: then nothing
// may be done.
func Apply(is []RRset, changes []Change) (after []RRset, ok bool) {
	after = slices.Clone(is)
	for _, c := range changes {
		s := c.Set()
		i := slices.IndexFunc(after, func(x RRset) bool { return x.Name == s.Name && x.Type == s.Type })
		switch {
		case (i >= 0) != (c.Before != nil), i >= 0 && !same(after[i], *c.Before):
			return is, false
		case i >= 0 && c.After == nil:
			after = slices.Delete(after, i, i+1)
		case i >= 0:
			after[i] = *c.After
		default:
			after = append(after, *c.After)
		}
	}
	slices.SortFunc(after, func(a, b RRset) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Type, b.Type)
	})
	return after, true
}
