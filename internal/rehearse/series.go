package rehearse

import (
	"slices"
	"time"
)

// thin leaves out points of s until it is short, the ends never.
func (s Series) thin(end time.Duration) Series {
	if len(s.At) == 0 {
		return s
	}
	step := (len(s.At) + points - 1) / points
	out := Series{Name: s.Name}
	for i := 0; i < len(s.At); i += step {
		out.At, out.Y = append(out.At, s.At[i]), append(out.Y, s.Y[i])
	}
	last := len(s.Y) - 1
	out.At, out.Y = append(out.At, seconds(end)), append(out.Y, s.Y[last])
	return out
}

// bins are the moments at which a series of clients has points.
func (t *Trace) bins() []time.Duration {
	n := min(points, max(60, int(t.End/(10*time.Second))))
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = t.End / time.Duration(n) * time.Duration(i)
	}
	return out
}

// clientShares returns the share of clients on each pool over time.
func (t *Trace) clientShares() []Series {
	bins := t.bins()
	sums := make([][]float64, len(t.Pools)+1)
	for i := range sums {
		sums[i] = make([]float64, len(bins))
	}
	t.Clients.each(t.End, func(pool int, from, to time.Duration, share float64, _ bool) {
		if pool == nowhere {
			pool = len(t.Pools)
		}
		i, _ := slices.BinarySearch(bins, from)
		for ; i < len(bins) && bins[i] < to; i++ {
			sums[pool][i] += share
		}
	})
	var out []Series
	for i, sum := range sums {
		name := "no answer"
		if i < len(t.Pools) {
			name = t.Pools[i]
		} else if !slices.ContainsFunc(sum, func(f float64) bool { return f > 1e-9 }) {
			continue
		}
		out = append(out, series(name, bins, sum))
	}
	return out
}

func series(name string, at []time.Duration, y []float64) Series {
	s := Series{Name: name}
	for i := range at {
		s.At, s.Y = append(s.At, seconds(at[i])), append(s.Y, round(y[i]))
	}
	return s
}

// failing returns the share of requests of p's clients that fail over time,
// as the mean of each bin.
func (t *Trace) failing(name string, p *Population) Series {
	bins, harm := t.bins(), t.harm()
	sum := make([]float64, len(bins))
	width := bins[1]
	p.each(t.End, func(pool int, from, to time.Duration, share float64, _ bool) {
		for i := int(from / width); i < len(bins) && bins[i] < to; i++ {
			a, b := max(from, bins[i]), min(to, bins[i]+width)
			bad := (b - a).Seconds()
			if pool != nowhere {
				bad = harm[pool].between(a, b)
			}
			sum[i] += share * bad / width.Seconds()
		}
	})
	return series(name, bins, sum)
}

// failingAlone is failing for a site that has the first pool only.
func (t *Trace) failingAlone() Series {
	bins, harm := t.bins(), t.harm()[0]
	sum := make([]float64, len(bins))
	for i := range bins {
		sum[i] = harm.between(bins[i], bins[i]+bins[1]) / bins[1].Seconds()
	}
	return series(t.Pools[0]+" alone", bins, sum)
}
