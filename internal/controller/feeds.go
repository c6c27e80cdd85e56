package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/event"
)

// A Word is what a source says of a pool. What is nil it does not say.
type Word struct {
	Pool, Source string
	Part         string        // one of several things that it says, as one alert
	Up           *bool         // the pool works, or does not
	Availability *float64      // share of requests that succeed, 0–1
	Latency      *float64      // that users see, in milliseconds
	Load         *float64      // share of its capacity that the pool uses; 1 is full
	Weight       *float64      // of the vote, at most what the configuration has; nil: that
	Lasts        time.Duration // at most what the configuration has; 0: that
	Reason       string        // for people
}

// maxFeedParts is how many things one source may say of one pool at once.
const maxFeedParts = 100

// A feedKey is what a word is kept under.
type feedKey struct{ pool, source, part string }

// A heard is a word that holds. Times are on the monotonic clock.
type heard struct {
	health.Feed
	availability float64 // -1: it does not say
}

// A FeedStatus is what a source says of a pool.
type FeedStatus struct {
	Source       string          `json:"source"`
	Part         string          `json:"part,omitempty"` // one of several things that it says
	Role         config.FeedRole `json:"role"`
	Weight       float64         `json:"weight"`
	Says         string          `json:"says"`                   // up, down, unknown: of neither; silent: nothing, or no longer
	Availability *float64        `json:"availability,omitempty"` // share of requests that succeed
	Latency      float64         `json:"latency_ms,omitempty"`
	Load         float64         `json:"load,omitempty"` // share of its capacity that the pool uses
	Reason       string          `json:"reason,omitempty"`
	Since        *time.Time      `json:"since,omitempty"` // when it began to say up or down
	Until        *time.Time      `json:"until,omitempty"` // unless it says so again
}

// A NotHeard is why a word is left out that is well formed: its pool is none of
// ours, or not one of its source's, or the source says too much of it already.
type NotHeard string

// Error says why.
func (n NotHeard) Error() string { return string(n) }

// Feed takes w, until it ends, in place of what its source said before. The
// error is for a source that the configuration does not have, and for what
// cannot be; a [NotHeard] for one that is not to be heard of the pool.
func (c *Controller) Feed(ctx context.Context, w Word) (s FeedStatus, changed bool, err error) {
	err = c.do(ctx, func() error {
		decl, err := c.declared(w)
		if err != nil {
			return err
		}
		now := c.now()
		key := feedKey{w.Pool, w.Source, w.Part}
		before, known := c.feeds[key]
		if !known && c.feedParts(w.Pool, w.Source) >= maxFeedParts {
			return NotHeard(fmt.Sprintf("feed %s says %d things of pool %s already", w.Source, maxFeedParts, w.Pool))
		}
		h := decl.hear(w, before, known, now)
		if c.feeds == nil {
			c.feeds = map[feedKey]heard{}
		}
		c.feeds[key] = h
		changed = !known || before.Says != h.Says
		if changed || before.Weight != h.Weight || before.Latency != h.Latency || before.Load != h.Load {
			c.decide(probed)
		}
		s = feedStatus((*config.Feed)(decl), w.Part, &h, now)
		return nil
	})
	return s, changed, err
}

// ClearFeed forgets what source says of pool; one thing of it where part is
// not "".
func (c *Controller) ClearFeed(ctx context.Context, pool, source, part string) error {
	return c.do(ctx, func() error {
		n := len(c.feeds)
		maps.DeleteFunc(c.feeds, func(k feedKey, _ heard) bool {
			return k.pool == pool && k.source == source && (part == "" || k.part == part)
		})
		if len(c.feeds) == n {
			return fmt.Errorf("feed %s says nothing of pool %s", source, pool)
		}
		c.decide(probed)
		return nil
	})
}

// A source is a feed as it is configured.
type source config.Feed

// declared returns the source of w, where it may say that.
func (c *Controller) declared(w Word) (*source, error) {
	feeds := c.loaded.Config.Feeds
	i := slices.IndexFunc(feeds, func(f config.Feed) bool { return f.Name == w.Source })
	if i < 0 {
		return nil, fmt.Errorf("there is no feed %q (feeds of the configuration say who may speak of pools)", w.Source)
	}
	f := &feeds[i]
	if c.pools[w.Pool] == nil {
		return nil, NotHeard(fmt.Sprintf("there is no pool %q (the pools are: %s)", w.Pool, strings.Join(c.poolNames(), ", ")))
	}
	if len(f.Pools) > 0 && !slices.Contains(f.Pools, w.Pool) {
		return nil, NotHeard(fmt.Sprintf("feed %s may not speak of pool %s (its pools are: %s)", f.Name, w.Pool, strings.Join(f.Pools, ", ")))
	}
	return (*source)(f), w.check(f)
}

// check says what is wrong with w.
func (w *Word) check(f *config.Feed) error {
	within := func(v *float64, least, most float64) bool { return v == nil || *v >= least && *v <= most }
	switch {
	case w.Up == nil && w.Availability == nil && w.Latency == nil && w.Load == nil:
		return errors.New("it says nothing: give up, availability, latency_ms or load")
	case w.Up != nil && w.Availability != nil:
		return errors.New("give up or availability, not both")
	case !within(w.Availability, 0, 1):
		return errors.New("availability: write a share from 0 to 1")
	case !within(w.Latency, 0, 600_000):
		return errors.New("latency_ms: write milliseconds from 0 to 600000")
	case !within(w.Load, 0, 100):
		return errors.New("load: write a share from 0 to 100, where 1 is full")
	case !within(w.Weight, 0.01, f.Weight):
		return fmt.Errorf("weight: write a number from 0.01 to %v, the weight of feed %s", f.Weight, f.Name)
	case w.Lasts < 0 || w.Lasts > f.Expires:
		return fmt.Errorf("for: words of feed %s hold for %s at most", f.Name, config.FormatDuration(f.Expires))
	case len(w.Reason) > 500:
		return errors.New("reason: write at most 500 octets")
	case len(w.Part) > 200:
		return errors.New("part: write at most 200 octets")
	}
	return nil
}

// hear makes what holds of w, after before.
//
//	it says            that is
//	up                 up or down, as it says
//	availability       down below down_below, up from up_from on; between them as before
//	neither            nothing of either
func (f *source) hear(w Word, before heard, known bool, now time.Time) heard {
	h := heard{availability: -1, Feed: health.Feed{Source: f.Name, Part: w.Part, Role: health.Role(f.Role), Weight: f.Weight, Since: now, Until: now.Add(f.Expires), Reason: strings.TrimSpace(w.Reason)}}
	if w.Weight != nil {
		h.Weight = *w.Weight
	}
	if w.Lasts > 0 {
		h.Until = now.Add(w.Lasts)
	}
	if w.Latency != nil {
		h.Latency = time.Duration(*w.Latency * float64(time.Millisecond))
	}
	if w.Load != nil {
		h.Load = *w.Load
	}
	switch a := w.Availability; {
	case w.Up != nil && *w.Up, a != nil && *a >= f.Up:
		h.Says = health.Up
	case w.Up != nil, a != nil && *a < f.Down:
		h.Says = health.Down
	case a != nil && known:
		h.Says = before.Says
	}
	if w.Availability != nil {
		h.availability = *w.Availability
		if h.Reason == "" {
			h.Reason = fmt.Sprintf("availability %v%%", math.Round(1000*h.availability)/10)
		}
	}
	if h.Reason == "" {
		h.Reason = h.Says.String()
	}
	if known && before.Says == h.Says {
		h.Since = before.Since
	}
	return h
}

// feedParts counts what source says of pool.
func (c *Controller) feedParts(pool, source string) int {
	n := 0
	for k := range c.feeds {
		if k.pool == pool && k.source == source {
			n++
		}
	}
	return n
}

// verdicts returns what probes and feeds say together.
func (c *Controller) verdicts(now time.Time) *health.Table {
	live := c.deps.Monitor.Table()
	if len(c.feeds) == 0 {
		return live
	}
	by := map[string][]health.Feed{}
	for _, k := range c.feedKeys() {
		by[k.pool] = append(by[k.pool], c.feeds[k].Feed)
	}
	t := *live
	t.Pools = maps.Clone(live.Pools)
	for pool, feeds := range by {
		if p := live.Pools[pool]; p != nil {
			t.Pools[pool] = health.Join(p, feeds, now)
		}
	}
	return &t
}

// feedKeys lists what is heard, in order.
func (c *Controller) feedKeys() []feedKey {
	return slices.SortedFunc(maps.Keys(c.feeds), func(a, b feedKey) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.source, b.source), cmp.Compare(a.part, b.part))
	})
}

// expireFeeds forgets words that have ended, and says so where they counted.
func (c *Controller) expireFeeds(now time.Time) {
	for _, k := range c.feedKeys() {
		h := c.feeds[k]
		if now.Before(h.Until) {
			continue
		}
		delete(c.feeds, k)
		c.deps.Log.Info("feed is silent", "feed", k.source, "pool", k.pool, "said", h.Says)
		c.say(event.Event{Kind: event.Transition, Subject: k.pool, Before: h.Says.String(), After: "silent",
			What: fmt.Sprintf("feed %s is silent on pool %s: what it said counts no longer", k.source, k.pool)})
	}
}

// refitFeeds forgets words of sources that are no longer configured, and has
// the others as they are now.
func (c *Controller) refitFeeds() {
	for k, h := range c.feeds {
		f, err := c.declared(Word{Pool: k.pool, Source: k.source, Up: new(bool)})
		if err != nil {
			delete(c.feeds, k)
			continue
		}
		h.Role, h.Weight = health.Role(f.Role), min(h.Weight, f.Weight)
		c.feeds[k] = h
	}
}

// heardBy lists what is heard, by pool and source.
func (c *Controller) heardBy() map[feedKey][]feedKey {
	by := map[feedKey][]feedKey{}
	for _, k := range c.feedKeys() {
		at := feedKey{pool: k.pool, source: k.source}
		by[at] = append(by[at], k)
	}
	return by
}

// feedStatuses lists what feeds say of pool, also those that are silent.
func (c *Controller) feedStatuses(pool string, by map[feedKey][]feedKey, now time.Time) []FeedStatus {
	var out []FeedStatus
	for i := range c.loaded.Config.Feeds {
		f := &c.loaded.Config.Feeds[i]
		if len(f.Pools) > 0 && !slices.Contains(f.Pools, pool) {
			continue
		}
		said := by[feedKey{pool: pool, source: f.Name}]
		for _, k := range said {
			h := c.feeds[k]
			out = append(out, feedStatus(f, k.part, &h, now))
		}
		if len(said) == 0 {
			out = append(out, feedStatus(f, "", nil, now))
		}
	}
	return out
}

// feedStatus draws up what f says; h is nil while it is silent.
func feedStatus(f *config.Feed, part string, h *heard, now time.Time) FeedStatus {
	s := FeedStatus{Source: f.Name, Part: part, Role: f.Role, Weight: f.Weight, Says: "silent"}
	if h == nil {
		return s
	}
	s.Weight, s.Says, s.Reason = h.Weight, h.Says.String(), h.Reason
	s.Latency, s.Load = float64(h.Latency.Microseconds())/1000, h.Load
	s.Since, s.Until = moment(h.Since, now), moment(h.Until, now)
	if h.availability >= 0 {
		s.Availability = &h.availability
	}
	return s
}
