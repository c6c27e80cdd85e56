package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A chain narrows and sorts candidates first, then says how the answers are
// shared out among those that are left. The order that makes sense is held to
// in the file, so that no filter stands where it has no effect.
//
//	filter                      may follow                                  at most
//	healthy                     others of this row and the next             once, and required
//	fence, prefer               "                                           any number
//	nearest, fastest            "                                           once each
//	first: n                    all but first, all; n > 1 not a split       once
//	weighted, sticky, shuffle   narrowing, sorting, first: n with n > 1     one of them
//	capacity, keep_warm         all but first, all                          once each
//	all                         all but splits, capacity, keep_warm         once, at the end
func misplaced(f Filter, before []Filter) (what, mend string) {
	for _, b := range before {
		switch {
		case b.Kind == Everyone:
			return fmt.Sprintf("%s stands behind all, which ends the chain", f.Kind), "move all to the end"
		case b.Kind == f.Kind && f.Kind != Fence && f.Kind != Prefer:
			return fmt.Sprintf("%s stands in the chain twice", f.Kind), "keep one of them"
		case splits(b.Kind) && splits(f.Kind):
			return fmt.Sprintf("%s and %s would both share out the answers", b.Kind, f.Kind), "keep one of them"
		case b.Kind == First && b.First == 1:
			return fmt.Sprintf("first: 1 leaves one pool, and %s has nothing to choose from", f.Kind), fmt.Sprintf("put %s before first", f.Kind)
		case b.Kind == First && shares(f.Kind):
			return fmt.Sprintf("first leaves %s no other pool to give to", f.Kind), fmt.Sprintf("put %s before first", f.Kind)
		case b.Kind == First && narrows(f.Kind):
			return fmt.Sprintf("%s stands behind first, which has chosen already", f.Kind), fmt.Sprintf("put %s before first", f.Kind)
		case (splits(b.Kind) || shares(b.Kind)) && narrows(f.Kind), shares(b.Kind) && splits(f.Kind):
			return fmt.Sprintf("%s stands behind %s, which has shared out the answers", f.Kind, b.Kind), fmt.Sprintf("put %s before %s", f.Kind, b.Kind)
		case (splits(b.Kind) || shares(b.Kind)) && f.Kind == Everyone:
			return fmt.Sprintf("%s gives each pool its share, and all lets every pool answer together", b.Kind), "keep one of them"
		case splits(b.Kind) && f.Kind == First && f.First > 1:
			return fmt.Sprintf("behind %s one pool answers each client", b.Kind), fmt.Sprintf("write first: 1, or put first before %s", b.Kind)
		}
	}
	return "", ""
}

// narrows reports whether filters of kind k drop or sort candidates.
func narrows(k FilterKind) bool {
	return k == Healthy || k == Fence || k == Prefer || k == ByDistance || k == ByLatency
}

// splits reports whether filters of kind k share out the answers.
func splits(k FilterKind) bool { return k == ByWeight || k == Sticky || k == Shuffle }

// shares reports whether filters of kind k change the shares of pools.
func shares(k FilterKind) bool { return k == Capacity || k == KeepWarm }

// chain reads the filters of the policy with the index pol.
func (c *chooser) chain(p path, raw *rawPolicy, pol int) []Filter {
	if len(raw.Chain) == 0 {
		c.problem(p, at(raw.Line), "the policy has no chain", "write chain: [healthy, …]")
		return nil
	}
	p = p.sub("chain")
	before := len(c.problems) + c.more
	var out []Filter
	for i := range raw.Chain {
		q, rf := p.item(i), &raw.Chain[i]
		f, ok := c.filter(q, rf, prefers{policy: pol, filter: i})
		if !ok {
			out = append(out, Filter{})
			continue
		}
		if what, mend := misplaced(f, out); what != "" {
			c.problem(q, at(rf.Line), what, mend)
		}
		out = append(out, f)
	}
	pool := Policy{Chain: out}
	if len(c.problems)+c.more == before && !pool.has(Healthy) {
		c.problem(p, at(raw.Line), "the chain would answer with pools that are down", "put healthy into it")
	}
	return out
}

// filter reads one step of a chain.
func (c *chooser) filter(p path, raw *rawFilter, m prefers) (f Filter, ok bool) {
	if raw.Line == 0 || raw.Kind.bad {
		return f, false
	}
	kinds := raw.kinds()
	switch {
	case raw.Kind.set():
		return c.bareFilter(p, raw.Kind)
	case len(kinds) == 0:
		if !raw.First.bad && !raw.KeepWarm.bad {
			c.problem(p, at(raw.Line), "the step names no filter", "the filters are "+listed(filterWords()))
		}
		return f, false
	case len(kinds) > 1:
		c.problem(p, at(raw.Line), fmt.Sprintf("a step is one filter, not %s", strings.Join(words(kinds), " and ")), "write each as an item of its own")
		return f, false
	}
	f.Kind = kinds[0]
	p = p.sub(string(f.Kind))
	before := len(c.problems) + c.more
	switch f.Kind {
	case Healthy:
		f.Healthy = HealthyFilter{
			KeepUnknown: c.word(p.sub("unknown"), raw.Healthy.Unknown, "drop", "keep") == "keep",
			MinUp:       c.count(p.sub("min_up"), raw.Healthy.MinUp, 1, 1, MaxChoices),
		}
	case Fence:
		f.Fence = c.fence(p, raw.Fence)
	case Prefer:
		f.Prefer = c.prefer(p, raw.Prefer, m)
	case ByDistance:
		c.located(p, raw.Line)
	case ByLatency:
		f.Fastest = FastestFilter{
			Margin: c.share(p.sub("margin"), raw.Fastest.Margin, defaultMargin, 0, 90),
			For:    c.span(p.sub("for"), raw.Fastest.For, defaultFor, 0, time.Hour),
		}
	case Capacity:
		c.limited(p, raw.Line)
	case KeepWarm:
		f.Warm = c.share(p, raw.KeepWarm, 0.05, 0.1, 50)
	case First:
		f.First = c.count(p, raw.First, 1, 1, MaxChoices)
	}
	return f, len(c.problems)+c.more == before
}

// bareFilter reads a filter that is written as its kind alone.
func (c *chooser) bareFilter(p path, s scalar) (f Filter, ok bool) {
	before := len(c.problems) + c.more
	switch f.Kind = FilterKind(c.oneOf(p, s, filterWords())); f.Kind {
	case Healthy:
		f.Healthy.MinUp = 1
	case ByLatency:
		f.Fastest = FastestFilter{Margin: defaultMargin, For: defaultFor}
	case ByDistance:
		c.located(p, s.line)
	case Capacity:
		c.limited(p, s.line)
	case First:
		c.problem(p, s, "first does not say how many", "write first: 1")
	case KeepWarm:
		c.problem(p, s, "keep_warm does not say which share", "write keep_warm: 5%")
	case Fence:
		c.problem(p, s, "the fence does not say who is inside", "write fence: {clients: [EU], jurisdiction: [EU]}")
	case Prefer:
		c.problem(p, s, "prefer has no lists", "write prefer: {map: FILE}, or lists:")
	}
	return f, len(c.problems)+c.more == before
}

// oneOf reads one of words, none of which is the default: "" when it is none.
func (r *reader) oneOf(p path, s scalar, words []string) string {
	if i := slices.Index(words, s.text); i >= 0 {
		return words[i]
	}
	mend := "write one of " + listed(words)
	if near := nearest(s.text, words); near != "" {
		mend = "did you mean " + near + "?"
	}
	r.problem(p, s, fmt.Sprintf("%q is not a filter", clip(s.text)), mend)
	return ""
}

func filterWords() []string {
	return words([]FilterKind{Healthy, Fence, Prefer, ByDistance, ByLatency, ByWeight, Sticky, Shuffle, Capacity, KeepWarm, First, Everyone})
}

func words(kinds []FilterKind) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return out
}

// kinds returns the filters that raw names as keys.
func (raw *rawFilter) kinds() []FilterKind {
	var out []FilterKind
	for _, k := range []struct {
		kind FilterKind
		set  bool
	}{
		{Healthy, raw.Healthy != nil}, {Fence, raw.Fence != nil}, {Prefer, raw.Prefer != nil}, {ByDistance, raw.Nearest != nil}, {ByLatency, raw.Fastest != nil},
		{ByWeight, raw.Weighted != nil}, {Sticky, raw.Sticky != nil}, {Shuffle, raw.Shuffle != nil}, {Capacity, raw.Capacity != nil},
		{KeepWarm, raw.KeepWarm.set()}, {First, raw.First.set()}, {Everyone, raw.All != nil},
	} {
		if k.set {
			out = append(out, k.kind)
		}
	}
	return out
}

func (c *chooser) fence(p path, raw *rawFence) FenceFilter {
	f := FenceFilter{Open: c.word(p.sub("otherwise"), raw.Otherwise, "serve-all-in-fence", "open") == "open"}
	if raw.Clients != nil && len(raw.Clients) == 0 {
		c.problem(p.sub("clients"), at(raw.Line), "the fence is for nobody", "name places, or leave the key out: then it is for everyone")
	}
	for i, s := range raw.Clients {
		w, ok := c.where(p.sub("clients").item(i), s)
		if !ok {
			continue
		}
		if slices.Contains(f.Clients, w) {
			c.problem(p.sub("clients").item(i), s, s.text+" stands here twice", "keep one of them")
			continue
		}
		f.Clients = append(f.Clients, w)
		c.locatable(p.sub("clients").item(i), s, w)
	}
	if len(raw.Jurisdiction) == 0 {
		c.problem(p, at(raw.Line), "the fence does not say where the pools must be", "write jurisdiction: [EU], in the words of the pools' jurisdiction")
	}
	all := map[string]place{}
	for i := range c.cfg.Pools {
		for _, j := range c.cfg.Pools[i].Jurisdictions {
			all[j] = place{i: i}
		}
	}
	for i, s := range raw.Jurisdiction {
		q := p.sub("jurisdiction").item(i)
		if slices.Contains(f.Jurisdictions, s.text) {
			c.problem(q, s, clip(s.text)+" stands here twice", "keep one of them")
		} else if s.set() && len(all) == 0 {
			c.problem(q, s, "no pool has a jurisdiction", "write jurisdiction: at the pools")
		} else if c.refers(q, s, "jurisdiction", all) {
			f.Jurisdictions = append(f.Jurisdictions, strings.Clone(s.text))
		}
	}
	return f
}

// located reports a chain by distance where no pool says where it is, or
// nothing says where clients are.
func (c *chooser) located(p path, line int32) {
	if !slices.ContainsFunc(c.cfg.Pools, func(p Pool) bool { return p.At.Known }) {
		c.problem(p, at(line), "no pool says where it is", `write location: "52.37, 4.90" at the pools`)
	}
	c.placed(p, at(line))
}

// locatable reports a place that no client is ever known to be in.
func (c *chooser) locatable(p path, s scalar, w Where) {
	if w.Kind != Network {
		c.placed(p, s)
	}
}

// placed reports that nothing says where clients are.
func (c *chooser) placed(p path, s scalar) {
	if len(c.cfg.Places.Databases) == 0 && c.cfg.Places.File == "" {
		c.problem(p, s, "nothing says where clients are", "write places: {databases: [country.mmdb]}, or networks:")
	}
}

// limited reports capacity where every pool can carry everything.
func (c *chooser) limited(p path, line int32) {
	if !slices.ContainsFunc(c.cfg.Pools, func(p Pool) bool { return p.MaxShare < 1 }) {
		c.problem(p, at(line), "no pool has a max_share", "write max_share: 60% at the pools, or remove capacity")
	}
}
