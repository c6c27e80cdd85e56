package drill

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shunt-dns/shunt/resolver/steer"
)

// A Forecast is who gets what, with the drill and without it.
type Forecast struct {
	Pools  []Portion `json:"pools"`
	Total  float64   `json:"answers_per_second"` // of the services, as measured; 0: none were
	Window float64   `json:"measured_seconds"`   // over so long
	Notes  []string  `json:"notes"`              // what the numbers rest on
}

// A Portion is what one pool has of the answers.
type Portion struct {
	Pool   string  `json:"pool"`
	Before float64 `json:"before_percent"` // as measured; by the decisions where nothing was
	After  float64 `json:"after_percent"`
	Rate   float64 `json:"after_per_second"`
}

// Predict says who of the pools of ss will have how much. Measured are the
// answers of each service by pool, over so many seconds.
//
// Of a service that had answers, each pool keeps what it had and gets what the
// decisions move to it, the classes of clients weighing the same. A service
// that had none counts only where none of all had any.
func Predict(ss []Service, seconds float64) Forecast {
	seconds = max(seconds, 1)
	f := Forecast{Window: seconds, Notes: []string{}, Pools: []Portion{}}
	var total float64
	for _, s := range ss {
		total += sum(s.Measured)
	}
	before, after := map[string]float64{}, map[string]float64{}
	classes := 0
	for _, s := range ss {
		was, is := shares(s.Before), shares(s.After)
		classes = max(classes, len(s.After))
		n := sum(s.Measured)
		if total == 0 {
			n = 1
		}
		if n == 0 {
			continue
		}
		for _, p := range s.Pools {
			have := float64(s.Measured[p])
			if total == 0 {
				have = was[p]
			}
			before[p] += have
			after[p] += max(0, have+n*(is[p]-was[p]))
		}
	}
	f.Total = total / seconds
	all, later := sumf(before), sumf(after)
	for _, p := range slices.Sorted(maps.Keys(after)) {
		part := Portion{Pool: p, Before: 100 * before[p] / max(all, 1e-9), After: 100 * after[p] / max(later, 1e-9)}
		part.Rate = f.Total * part.After / 100
		f.Pools = append(f.Pools, part)
	}
	if total == 0 {
		f.Notes = append(f.Notes, "no answers were counted: these are the shares of the decisions, every service weighing the same")
	} else {
		f.Notes = append(f.Notes, fmt.Sprintf("from %d answers of the last %.0f s, at this node", int(total), seconds))
	}
	if classes > 1 {
		f.Notes = append(f.Notes, "clients of all places are taken to ask alike often")
	}
	return f
}

// shares returns the mean share of each pool over ds; of a union every pool
// answers.
func shares(ds []steer.Decision) map[string]float64 {
	out := map[string]float64{}
	for i := range ds {
		for _, p := range ds[i].Picks {
			out[p.Pool] += float64(p.Weight) / steer.Million / float64(len(ds))
		}
	}
	return out
}

func sum(m map[string]uint64) (n float64) {
	for _, v := range m {
		n += float64(v)
	}
	return n
}

func sumf(m map[string]float64) (n float64) {
	for _, v := range m {
		n += v
	}
	return n
}
