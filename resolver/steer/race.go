package steer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A Race is what the filter fastest remembers, so that its order does not
// follow each wobble of a latency. It is a value; the zero Race is that of a
// first decision.
type Race struct {
	Heats []Heat `json:"heats,omitempty"` // one for each such filter of the chain and of those nested in it
}

// A Heat is the race of one filter.
type Heat struct {
	Of    string   `json:"of"`              // the filter, by the policies that lead to it and its place in the chain
	Order []string `json:"order,omitempty"` // its candidates, the leader first
	Duels []Duel   `json:"duels,omitempty"`
}

// A Duel is under way while a candidate is faster than one before it, by the
// margin at least.
type Duel struct {
	Pool  string    `json:"pool"`
	Over  string    `json:"over"`
	Since time.Time `json:"since"`
	Due   time.Time `json:"due"` // when it is won, if it lasts
}

// A Lap is the latency of one candidate, in any unit; above 0.
type Lap struct {
	Pool    string
	Latency time.Duration
}

// Next returns the heat that follows h when laps are seen at now.
//
//	h.Order              next
//	empty                by latency
//	lacks a candidate    it starts behind the others, by latency where there are several
//	has one that is not  it leaves, and the others keep their order
//	there any more
//
//	a candidate is faster by f.Margin     it comes
//	than one before it for less than For  behind it, still
//	for f.For or longer                   before it
//
// So what wobbles by less than the margin, or for less than the time, moves
// nothing; and a leader that is gone is followed at once.
func (h Heat) Next(f config.FastestFilter, laps []Lap, now time.Time) Heat {
	next := Heat{Of: h.Of}
	latency := make(map[string]time.Duration, len(laps))
	for _, l := range laps {
		latency[l.Pool] = l.Latency
	}
	for _, p := range h.Order {
		if latency[p] > 0 && !slices.Contains(next.Order, p) {
			next.Order = append(next.Order, p)
		}
	}
	fresh := len(next.Order)
	for _, l := range laps {
		if !slices.Contains(next.Order[:fresh], l.Pool) {
			next.Order = append(next.Order, l.Pool)
		}
	}
	slices.SortStableFunc(next.Order[fresh:], func(a, b string) int { return cmp.Compare(latency[a], latency[b]) })
	beats := func(a, over string) bool {
		return float64(latency[a]) < float64(latency[over])*(1-f.Margin)
	}
	for i, over := range next.Order {
		for _, p := range next.Order[i+1:] {
			if beats(p, over) {
				since := h.since(p, over, now)
				next.Duels = append(next.Duels, Duel{p, over, since, since.Add(f.For)})
			}
		}
	}
	next.overtake(latency, now)
	return next
}

// since returns when p began to beat over; now when it did not yet.
func (h Heat) since(p, over string, now time.Time) time.Time {
	for _, d := range h.Duels {
		if d.Pool == p && d.Over == over && !d.Since.After(now) {
			return d.Since
		}
	}
	return now
}

// overtake lets each candidate pass those before it that it has beaten for
// long enough, and with it whoever stands between and is faster still.
func (h *Heat) overtake(latency map[string]time.Duration, now time.Time) {
	won := func(p, over string) bool {
		return slices.ContainsFunc(h.Duels, func(d Duel) bool { return d.Pool == p && d.Over == over && !d.Due.After(now) })
	}
	for i, p := range h.Order {
		j := slices.IndexFunc(h.Order[:i], func(over string) bool { return won(p, over) })
		if j < 0 {
			continue
		}
		var ahead, behind []string
		for _, x := range h.Order[j : i+1] {
			if latency[x] <= latency[p] {
				ahead = append(ahead, x)
			} else {
				behind = append(behind, x)
			}
		}
		copy(h.Order[j:], append(ahead, behind...))
	}
	h.Duels = slices.DeleteFunc(h.Duels, func(d Duel) bool {
		return slices.Index(h.Order, d.Pool) < slices.Index(h.Order, d.Over)
	})
}

// heat returns the heat called of; a fresh one when r has none.
func (r Race) heat(of string) Heat {
	for _, h := range r.Heats {
		if h.Of == of {
			return h
		}
	}
	return Heat{Of: of}
}

// fastest sorts by the latency that probes see, with the patience of
// [Heat.Next]; candidates whose latency is not known come behind, in their
// order, and last resorts behind all. While failing open there is no race: the
// order before stays. The filter is the i-th of its chain.
func (h *hand) fastest(i int, f config.FastestFilter) {
	all := slices.Concat(h.cards, h.bench)
	var laps []Lap
	for _, c := range all {
		if c.latency > 0 && !c.late {
			laps = append(laps, Lap{c.name, c.latency})
		}
	}
	heat := h.run.in.Race.heat(fmt.Sprintf("%s#%d", strings.Join(h.path, "/"), i))
	if !h.failOpen {
		heat = heat.Next(f, laps, h.run.in.Now)
	}
	if h.run.race != nil {
		h.run.race.Heats = append(h.run.race.Heats, heat)
	}
	rank := func(c *card) int {
		if at := slices.Index(heat.Order, c.name); at >= 0 {
			return at
		}
		return len(all)
	}
	faster := func(a, b *card) int { return cmp.Or(order(a.late, b.late), cmp.Compare(rank(a), rank(b))) }
	slices.SortStableFunc(h.cards, faster)
	slices.SortStableFunc(h.bench, faster)
	known := len(h.cards) > 0 && rank(h.cards[0]) < len(all)
	if known || len(h.cards) == 1 {
		h.because = h.chosen(Quickest)
	}
	h.sorted = len(heat.Order) > 0
	if h.failOpen {
		h.note("the order before stays")
	} else if h.step != nil && !known && h.because == "" {
		h.note("no latency is known: the order stays")
	} else if h.step != nil {
		h.note(string(h.because))
		h.note(heat.text(h.cards, f, h.run.in.Now))
	}
}

// text writes the latencies of cs and the duels for the lead.
func (h Heat) text(cs []*card, f config.FastestFilter, now time.Time) string {
	var out []string
	for _, c := range cs {
		word := "not known"
		if c.latency > 0 {
			word = c.latency.Round(100 * time.Microsecond).String()
		}
		out = append(out, c.name+" "+word)
	}
	text := strings.Join(out, ", ")
	for _, d := range h.Duels {
		if d.Over == h.Order[0] {
			text += fmt.Sprintf("; %s is faster by more than %.3g%%, and leads if that lasts %s more", d.Pool, 100*f.Margin,
				d.Due.Sub(now).Round(time.Second))
		}
	}
	return text
}
