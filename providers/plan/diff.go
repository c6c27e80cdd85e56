package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Wanted is what a steered name is to hold.
type Wanted struct {
	Name    string
	RRsets  []RRset // of types that are steered, fitted to the provider's limits
	Stamp   uint64  // of the decision that this follows; 0: its node has no memory of it
	Fresh   bool    // the node has not looked there since it decided this, as after a start: what it finds is no later
	Gone    bool    // the name is no longer steered: what we made of it goes; RRsets is empty
	Settled bool    // this was seen there at this Stamp before: what differs now is somebody else's doing
}

// Rules are what holds for all names of a plan.
type Rules struct {
	Zone   string            // fully qualified, lower case
	Owner  string            // of marks that are ours
	Node   string            // that writes them
	Adopt  func(string) bool // whether records of others at a name are taken over; nil: never
	TTL    uint32            // seconds, of marks
	Repair bool              // drift is written again, and not only listed
	Now    uint64            // milliseconds since 1970
	Next   uint64            // stamp of a decision that has none, or was taken on what is found

	// Patient is for a node that has just started: what it answered before it
	// stopped is no decision against what another node wrote since.
	Patient bool
}

// A Plan leads from what is at a provider to what is wanted there.
type Plan struct {
	Zone   string `json:"zone"`
	Steps  []Step `json:"steps"`   // in order
	Held   []Held `json:"held"`    // names that are left as they are
	Drift  int    `json:"drift"`   // names that somebody else changed, whether or not that is repaired
	InStep int    `json:"in_step"` // names that need nothing
	First  string `json:"-"`       // the first name that somebody else changed; "" where Drift is 0
	Beside []Held `json:"beside"`  // names that have steered records of others beside what is wanted, as AAAA beside A: they stay
	Newest uint64 `json:"-"`       // highest stamp of a mark of ours there

	Stamps map[string]uint64 `json:"-"` // by name, where it is another than was wanted
}

// A Step is what changes at one name: all of it belongs into one request
// where the provider can do that.
type Step struct {
	Name    string   `json:"name"`
	Stamp   uint64   `json:"-"`
	Mark    int      `json:"-"`       // index of the mark's change in Changes; -1: it stays
	Changes []Change `json:"changes"` // in the order in which they are to be made
	Deletes bool     `json:"deletes"` // the name is left without an answer
	Drift   bool     `json:"drift,omitempty"`
}

// A Held is a name that is left as it is although it is not as wanted.
type Held struct {
	Name string `json:"name"`
	Why  string `json:"why"`

	// Doubtful is for what records of ours beside an older mark of ours, as two
	// pages of one read may show them, look like too.
	Doubtful bool `json:"-"`
}

// Diff plans what makes each wanted name as it is wanted. is must hold all
// records at these names and at their marks; others are passed over.
//
//	mark at the name      of the types that are steered there is   wanted   makes it
//	none                  nothing that is in the way               RRsets   made and marked
//	none                  a set that is in the way                 RRsets   adopted where that is allowed, else held
//	none                  anything                                 gone     nothing: it is not ours
//	another owner's       anything                                 any      held
//	ours, newer           as wanted                                any      nothing
//	ours, newer           otherwise                                any      held: another node knows better
//	ours, same stamp      as wanted                                RRsets   nothing
//	ours, same stamp      otherwise, was settled                   RRsets   drift: repaired by the rule, else listed
//	ours, not newer       a set of others that is in the way       RRsets   adopted or held
//	ours, not newer       otherwise                                RRsets   what differs is replaced, ours that is not wanted goes
//	ours, not newer       anything                                 gone     ours goes; the mark stays for a day and says so
//
// In the way of a set are those of its own type, and a CNAME or ALIAS and
// everything beside it are in each other's (RFC 1034 §3.6.2). A set of
// a type that is not steered (MX, TXT, …) is never changed: in the way of a
// CNAME it holds the name.
//
// Names are made and changed before others are deleted. Within a name the mark
// comes first, so that it is ours before it changes; then what is made and
// replaced, then what goes. Only where a CNAME replaces addresses, or they it,
// must the old set go first: it goes last of all that go, and the new one
// follows at once, so that the gap at a provider that takes one change at a
// time is that of two requests.
//
// A wanted name without anything that answers for addresses changes nothing.
func Diff(wanted []Wanted, is []RRset, r Rules) *Plan {
	there := make(map[string][]RRset, len(wanted))
	for i := 0; i < len(is); { // one name after the other, as RRsets sorts them
		j := i + 1
		for j < len(is) && is[j].Name == is[i].Name {
			j++
		}
		there[is[i].Name] = append(there[is[i].Name], is[i:j]...)
		i = j
	}
	p := &Plan{Zone: r.Zone, Beside: []Held{}}
	var repairs, ends []Step
	for _, w := range wanted {
		n := r.look(w.Name, there)
		p.Newest = max(p.Newest, n.mark.Stamp)
		if stamp := r.stamp(w, n); stamp != w.Stamp {
			if p.Stamps == nil {
				p.Stamps = map[string]uint64{}
			}
			w.Stamp, p.Stamps[w.Name] = stamp, stamp
		}
		step, why := r.decide(w, n)
		if others := beyond(w, n); why == "" && len(others) > 0 {
			p.Beside = append(p.Beside, Held{Name: w.Name, Why: strings.Join(others, " and ") + " records of others stand beside ours, and steer nothing"})
		}
		switch {
		case why != "":
			p.Held = append(p.Held, Held{w.Name, why, n.another == "" && n.mark.Stamp <= w.Stamp})
		case len(step.Changes) == 0:
			p.InStep++
		case step.Drift:
			p.First = cmp.Or(p.First, step.Name)
			if p.Drift++; r.Repair {
				repairs = append(repairs, step)
			}
		case w.Gone:
			ends = append(ends, step)
		default:
			p.Steps = append(p.Steps, step)
		}
	}
	p.Steps = slices.Concat(p.Steps, repairs, ends)
	return p
}

// A site is what stands at one name.
type site struct {
	sets    []RRset // at the name itself
	marked  *RRset  // the TXT set that holds the mark
	mark    Mark    // ours; zero where there is none
	another string  // owner of a mark that is not ours
}

// look finds what stands at name.
func (r Rules) look(name string, there map[string][]RRset) site {
	n := site{sets: there[name]}
	for _, s := range there[MarkName(name, r.Zone)] {
		if s.Type != "TXT" {
			continue
		}
		n.marked = &s
		for _, data := range s.Data {
			m, ok := markOf(data)
			switch {
			case !ok:
			case m.Owner != r.Owner:
				n.another = m.Owner
			case m.Stamp >= n.mark.Stamp:
				n.mark = m
			}
		}
	}
	return n
}

// stamp returns the stamp that w counts with.
//
//	w.Stamp             there is as wanted   counts with
//	0                   yes                  the mark's
//	0                   no                   Next, above the mark's
//	below the mark's    yes, Fresh           the mark's
//	below the mark's    no, Fresh            Next, above the mark's: it was decided after what is there
//	any other           -                    itself
//
// For a node that has just started, what is otherwise and was written by
// another node does not count as found: the stamp is w's own.
func (r Rules) stamp(w Wanted, n site) uint64 {
	if w.Stamp > 0 && !(w.Fresh && n.mark.Stamp > w.Stamp) {
		return w.Stamp
	}
	changes, foreign := difference(w.RRsets, n.sets, n.mark.Types)
	if n.mark.Stamp > 0 && len(changes)+len(foreign) == 0 && n.mark.Gone == w.Gone {
		return n.mark.Stamp
	}
	if r.Patient && n.mark.Stamp > w.Stamp && n.mark.Node != word(r.Node) {
		return w.Stamp
	}
	return max(r.Next, n.mark.Stamp+1)
}

// markOf reads the mark in RDATA of a TXT record.
func markOf(data string) (Mark, bool) {
	if !strings.HasPrefix(data, `"`+heritage) {
		return Mark{}, false
	}
	text, err := TXT(data)
	if err != nil {
		return Mark{}, false
	}
	return ParseMark(text)
}

// decide is a row of Diff's table: what changes, or why nothing may.
func (r Rules) decide(w Wanted, n site) (step Step, held string) {
	ours := n.mark.Owner != ""
	switch {
	case n.another != "":
		return step, "it is marked as " + n.another + "'s"
	case w.Gone && !ours:
		return step, ""
	case !w.Gone && !answers(w.RRsets):
		return step, "there is nothing to answer with"
	}
	changes, foreign := difference(w.RRsets, n.sets, n.mark.Types)
	next := Mark{Owner: r.Owner, Node: r.Node, Stamp: w.Stamp, Types: typesOf(w.RRsets), Gone: w.Gone}
	if ours && n.mark.Stamp > w.Stamp {
		if len(changes) == 0 && len(foreign) == 0 && n.mark.Gone == w.Gone {
			return step, ""
		}
		return step, fmt.Sprintf("%s wrote newer records there", n.mark.Node)
	}
	if why := r.mayTake(w, foreign, n.sets); why != "" {
		return step, why
	}
	for _, s := range foreign {
		changes = replace(changes, s)
	}
	step = Step{Name: w.Name, Stamp: w.Stamp, Mark: -1, Deletes: w.Gone && slices.ContainsFunc(changes, func(c Change) bool { return isAnswer(c.Set().Type) })}
	step.Drift = len(changes) > 0 && w.Settled && ours && n.mark.Stamp == w.Stamp && !w.Gone
	over := w.Gone && n.mark.Gone && len(changes) == 0 && r.Now > n.mark.Stamp+restMillis
	next.Types = claims(next.Types, changes)
	same := ours && n.mark.Stamp == next.Stamp && n.mark.Gone == next.Gone && includes(n.mark.Types, next.Types)
	if over || !same {
		step.Mark = 0
		step.Changes = append(step.Changes, r.remark(w.Name, n.marked, next, over))
	}
	step.Changes = append(step.Changes, sequence(changes)...)
	return step, ""
}

// claims returns types and those of sets that go: until they have gone they are
// ours, so that whoever goes on after an interruption knows to end them.
func claims(types []string, changes []Change) []string {
	for _, c := range changes {
		if c.After == nil && !slices.Contains(types, c.Before.Type) {
			types = append(types, c.Before.Type)
		}
	}
	slices.Sort(types)
	return types
}

// includes reports whether all of types are among marked. A mark may have more:
// what has gone since is taken out of it with the next change.
func includes(marked, types []string) bool {
	return !slices.ContainsFunc(types, func(t string) bool { return !slices.Contains(marked, t) })
}

// restMillis is for how long the mark of a name that is gone stays: no plan
// that is older can still be under way.
const restMillis = 24 * 60 * 60 * 1000

// mayTake says why foreign, the sets of others that are in the way, hold the
// name; "" where they do not, or may be taken over.
func (r Rules) mayTake(w Wanted, foreign, sets []RRset) string {
	if alone(w.RRsets) {
		for _, s := range sets {
			if !slices.Contains(steered, s.Type) && !beside(s.Type) && w.RRsets[0].Type == "CNAME" {
				return fmt.Sprintf("%s records of others stand there, beside which a CNAME may not (RFC 1034 §3.6.2): write flatten: true", s.Type)
			}
		}
	}
	if len(foreign) == 0 || r.Adopt != nil && r.Adopt(w.Name) {
		return ""
	}
	return fmt.Sprintf("%s records of others stand there: name it under adopt to take them over", strings.Join(typesOf(foreign), " and "))
}

// beside reports whether a type may stand beside a CNAME (RFC 4035 §2.5).
func beside(typ string) bool { return typ == "RRSIG" || typ == "NSEC" || typ == "KEY" }

// alone reports whether sets are a name in another's place, beside which
// nothing may stand.
func alone(sets []RRset) bool {
	return len(sets) > 0 && (sets[0].Type == "CNAME" || sets[0].Type == "ALIAS")
}

// difference returns what makes the sets of ours as wanted, and the sets of
// others that are in the way of that.
func difference(wanted, sets []RRset, ours []string) (changes []Change, foreign []RRset) {
	for i := range sets {
		s := &sets[i]
		if !slices.Contains(steered, s.Type) {
			continue
		}
		want := slices.IndexFunc(wanted, func(w RRset) bool { return w.Type == s.Type })
		switch own := slices.Contains(ours, s.Type); {
		case own && want < 0:
			changes = append(changes, Change{Before: s})
		case own && !same(*s, wanted[want]):
			changes = append(changes, Change{Before: s, After: &wanted[want]})
		case !own && (want >= 0 || s.Type == "CNAME" || s.Type == "ALIAS" || alone(wanted)) && len(wanted) > 0:
			foreign = append(foreign, *s)
		}
	}
	for i := range wanted {
		if !slices.ContainsFunc(sets, func(s RRset) bool { return s.Type == wanted[i].Type }) {
			changes = append(changes, Change{After: &wanted[i]})
		} else if j := slices.IndexFunc(foreign, func(s RRset) bool { return s.Type == wanted[i].Type }); j >= 0 {
			changes = append(changes, Change{Before: &foreign[j], After: &wanted[i]})
		}
	}
	return changes, foreign
}

// beyond returns the types of sets of others that are of a type that is steered,
// are not wanted, and are in the way of nothing.
func beyond(w Wanted, n site) (types []string) {
	if w.Gone || alone(w.RRsets) {
		return nil
	}
	for _, s := range n.sets {
		wanted := slices.ContainsFunc(w.RRsets, func(x RRset) bool { return x.Type == s.Type })
		if slices.Contains(steered, s.Type) && !alone([]RRset{s}) && !wanted && !slices.Contains(n.mark.Types, s.Type) {
			types = append(types, s.Type)
		}
	}
	return types
}

// replace adds the end of a set of others that was taken over, unless it is
// replaced already.
func replace(changes []Change, s RRset) []Change {
	for _, c := range changes {
		if c.Before != nil && c.Before.Type == s.Type {
			return changes
		}
	}
	return append(changes, Change{Before: &s})
}

func same(a, b RRset) bool { return a.TTL == b.TTL && slices.Equal(a.Data, b.Data) }

// sequence puts changes of one name in order: what is made or replaced, then
// what goes. Where what is made cannot stand beside what goes, that goes first,
// and of it what answers goes last.
func sequence(changes []Change) []Change {
	conflict := false
	for _, c := range changes {
		for _, d := range changes {
			conflict = conflict || c.After == nil && d.Before == nil && (excludes(c.Before.Type, d.After.Type) || excludes(d.After.Type, c.Before.Type))
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return turn(a, conflict) - turn(b, conflict) })
	return slices.DeleteFunc(changes, func(c Change) bool { return c.Before != nil && c.After != nil && same(*c.Before, *c.After) })
}

// excludes reports whether nothing of another type may stand beside typ.
func excludes(typ, other string) bool {
	return typ == "CNAME" || typ == "ALIAS" && isAnswer(other)
}

// turn returns when c's turn is.
func turn(c Change, conflict bool) int {
	goes := c.After == nil
	switch {
	case conflict && goes && !isAnswer(c.Before.Type):
		return 0
	case conflict && goes:
		return 1
	case !goes && isAnswer(c.After.Type):
		return 2
	case !goes:
		return 3
	}
	return 4
}

// remark returns the change of a name's mark to next, or its end. Texts of
// others in the same set stay.
func (r Rules) remark(name string, before *RRset, next Mark, over bool) Change {
	after := RRset{Name: MarkName(name, r.Zone), Type: "TXT", TTL: r.TTL}
	if before != nil {
		for _, data := range before.Data {
			if m, ok := markOf(data); !ok || m.Owner != r.Owner {
				after.Data = append(after.Data, data)
			}
		}
		if len(after.Data) > 0 {
			after.TTL = before.TTL
		}
	}
	if !over {
		after.Data = append(after.Data, Quote(next.String()))
		slices.Sort(after.Data)
	}
	if len(after.Data) == 0 {
		return Change{Before: before}
	}
	return Change{Before: before, After: &after}
}

// typesOf returns the types of sets, sorted.
func typesOf(sets []RRset) []string {
	out := make([]string, 0, len(sets))
	for _, s := range sets {
		out = append(out, s.Type)
	}
	slices.Sort(out)
	return out
}
