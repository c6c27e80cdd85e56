package steer

import (
	"fmt"
	"slices"
	"strings"
)

// A Reason says in a few words why these pools answer and no others.
type Reason string

// The reasons. Those of an Openmix application (A: lowest latency, D: only one
// candidate left, E: nobody left) are among them.
const (
	InOrder    Reason = "the first in order"
	OnlyOne    Reason = "only one candidate left"
	Closest    Reason = "the closest"
	Quickest   Reason = "lowest latency"
	SharedOut  Reason = "shared out"
	Together   Reason = "all that are left"
	NobodyLeft Reason = "nobody left"
	NoData     Reason = "nothing to answer with"
)

// chosen returns r, or that there is no choice.
func (h *hand) chosen(r Reason) Reason {
	if len(h.cards) == 1 {
		return OnlyOne
	}
	return r
}

// reason returns why d is what it is.
//
//	first that holds                             reason
//	no picks                                     nothing to answer with
//	fails open, or the place's last resort       nobody left
//	a union of several                           all that are left
//	several picks                                shared out
//	a filter before sorted by something          the closest, lowest latency, only one candidate left
//	one candidate left, of several               only one candidate left
//	else                                         the first in order
func reason(h *hand, d *Decision) Reason {
	switch {
	case len(d.Picks) == 0:
		return NoData
	case d.FailOpen || h.resorted:
		return NobodyLeft
	case d.Union && len(d.Picks) > 1:
		return Together
	case len(d.Picks) > 1:
		return SharedOut
	case h.because != "":
		return h.because
	case len(h.cards)+len(h.bench) == 1:
		return OnlyOne
	}
	return InOrder
}

// why says in one line what d does and what made it so. It names no number
// that changes while the answers do not.
func why(h *hand, d *Decision) string {
	if len(d.Picks) == 0 {
		return none(h)
	}
	var b strings.Builder
	pools := strings.Join(d.Pools(), ", ")
	switch {
	case h.resorted:
		fmt.Fprintf(&b, "nobody left, so the last resort of this place answers: %s", pools)
	case h.fenceDown != "":
		fmt.Fprintf(&b, "%s: %s", h.fenceDown, pools)
	case d.FailOpen:
		order := "the last good order"
		switch {
		case h.works:
			order = "what works again and is only held down"
		case h.sorted:
			order = "the order of the policy"
		case len(h.good) == 0:
			order = "the order of the service"
		}
		fmt.Fprintf(&b, "nothing is up, so %s answers: %s", order, pools)
	case len(d.Picks) == 1:
		fmt.Fprintf(&b, "%s answers", pools)
		if h.because != "" {
			fmt.Fprintf(&b, " (%s)", h.because)
		}
	case d.Union:
		fmt.Fprintf(&b, "%s answer together", pools)
	default:
		fmt.Fprintf(&b, "%s share the answers", sharesText(d.Picks))
	}
	if d.FenceOpen != "" {
		fmt.Fprintf(&b, "; %s", d.FenceOpen)
	}
	if d.Short != "" {
		fmt.Fprintf(&b, "; %s", d.Short)
	}
	for _, x := range h.run.troubles(d) {
		fmt.Fprintf(&b, "; %s %s", x.Pool, x.Why)
	}
	return b.String()
}

// none says why nothing answers.
func none(h *hand) string {
	if h.fenceDown != "" {
		return h.fenceDown
	}
	text := "no pool has anything to answer with"
	for _, s := range *h.run.steps {
		if s.depth == len(h.path) && len(s.Dropped) > 0 {
			return text + ": " + s.Dropped[0].Why
		}
	}
	return text
}

// troubles lists what is not well with pools that do not answer, once each.
func (r *run) troubles(d *Decision) []Dropped {
	var out []Dropped
	for _, s := range *r.steps {
		for _, x := range s.Dropped {
			if x.fine || s.depth > 0 {
				continue
			}
			same := func(y Dropped) bool { return y.Pool == x.Pool }
			if !slices.ContainsFunc(out, same) {
				out = append(out, x)
			}
		}
	}
	return out
}
