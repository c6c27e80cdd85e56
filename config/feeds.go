package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Feed is a source of words about pools beside the probes: the user's own
// systems, which send them to the API.
type Feed struct {
	Name    string
	Pools   []string      // that it may speak of; none: all
	Role    FeedRole      // what its word is worth; default vote
	Weight  float64       // of its vote, and the most it may give itself; above 0, at most 100, default 1; that of the probes is 1
	Expires time.Duration // a word holds so long at most, and by default; 1s–7d, default 2m
	Down    float64       // availability below which it says down; 0–1, default 0.9
	Up      float64       // availability from which on it says up; Down–1, default 0.95. Between them it says what it said before
}

// A FeedRole says what the word of a feed is worth; package health says how.
type FeedRole string

// The roles.
const (
	VoteFeed     FeedRole = "vote"     // it votes beside the probes
	CriticalFeed FeedRole = "critical" // it alone can bring a pool down
	ObserveFeed  FeedRole = "observe"  // it is shown, and counts for nothing
)

// A rawFeed is a source of words about pools.
type rawFeed struct {
	Line int32

	Name    scalar   `key:"name"`
	Pools   []scalar `key:"pools"`
	Role    scalar   `key:"role"`
	Weight  scalar   `key:"weight"`
	Expires scalar   `key:"expires"`
	Down    scalar   `key:"down_below"`
	Up      scalar   `key:"up_from"`
}

// feeds makes the sources of words.
func (r *reader) feeds(list []rawFeed, pools map[string]place) []Feed {
	var out []Feed
	seen := map[string]place{}
	for i := range list {
		p, raw := top("feeds").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		if raw.Name.missing() {
			r.problem(p, at(raw.Line), "the feed has no name", "write name: NAME, by which it says who it is")
		}
		f := Feed{Name: r.label(p.sub("name"), raw.Name, "")}
		r.named(p, raw.Name, seen, f.Name, i)
		f.Pools = r.poolNames(p.sub("pools"), raw.Pools, pools)
		f.Role = FeedRole(r.word(p.sub("role"), raw.Role, string(VoteFeed), string(CriticalFeed), string(ObserveFeed)))
		f.Weight = r.weight(p.sub("weight"), raw.Weight)
		f.Expires = r.span(p.sub("expires"), raw.Expires, 2*time.Minute, time.Second, 7*day)
		f.Down = r.share(p.sub("down_below"), raw.Down, 0.9, 0, 100)
		f.Up = r.share(p.sub("up_from"), raw.Up, max(0.95, f.Down), 0, 100)
		if f.Up < f.Down {
			r.problem(p.sub("up_from"), raw.Up, "it would be up and down at once", "write at least down_below")
		}
		out = append(out, f)
	}
	return out
}

// weight reads the weight of a vote.
func (r *reader) weight(p path, s scalar) float64 {
	if !s.set() {
		return 1
	}
	w, err := strconv.ParseFloat(s.text, 64)
	if err != nil || strings.ContainsAny(s.text, "xXpPeE_iInN+") || w < 0.01 || w > 100 {
		r.problem(p, s, fmt.Sprintf("%q is not a weight", clip(s.text)), "write a number from 0.01 to 100, as in 1.5; that of the probes is 1")
		return 1
	}
	return w
}
