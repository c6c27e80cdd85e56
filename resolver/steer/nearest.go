package steer

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/shunt-dns/shunt/config"
)

// earth is the mean radius of the earth in kilometres (IUGG).
const earth = 6371.0088

// Distance returns the great-circle distance between a and b in kilometres, on
// a sphere: up to half a percent off. It is +Inf where either is not known.
func Distance(a, b config.Point) float64 {
	if !a.Known || !b.Known {
		return math.Inf(1)
	}
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	h := sq(math.Sin(dLat/2)) + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sq(math.Sin(dLon/2))
	return 2 * earth * math.Asin(math.Sqrt(min(h, 1)))
}

func sq(x float64) float64 { return x * x }

// nearest sorts by the distance from the client to a pool, and to the nearest
// one of a policy; last resorts stay behind.
//
//	the client's place   the pool's   it comes
//	not known            any          where it was
//	known                known        by distance, the first of the chain where it is equal
//	known                not known    behind those, in the order of the chain
func (h *hand) nearest() {
	p := h.run.in.Place
	far, known := map[int]float64{}, false
	for _, c := range slices.Concat(h.cards, h.bench) {
		at := points(c.choice, h.run.in.Policies, h.run.in.Pools)
		far[c.index], known = away(p, at), known || len(at) > 0
	}
	if !known {
		h.note("no pool that is left says where it is: the order stays")
		return
	}
	if !p.At.Known {
		h.note("no coordinates of these clients are known: the order stays")
		return
	}
	closer := func(a, b *card) int {
		return cmp.Or(order(a.late, b.late), cmp.Compare(far[a.index], far[b.index]), cmp.Compare(a.index, b.index))
	}
	slices.SortStableFunc(h.cards, closer)
	slices.SortStableFunc(h.bench, closer)
	h.sorted, h.because = true, h.chosen(Closest)
	h.note(string(h.because))
}

// points returns where the pools behind c are: those that say so.
func points(c config.Choice, policies map[string]*config.Policy, pools map[string]*config.Pool) []config.Point {
	var at []config.Point
	walkPools(c, policies, nil, func(pool string) {
		if p := pools[pool]; p != nil && p.At.Known {
			at = append(at, p.At)
		}
	})
	return at
}

// away returns the distance from p to the nearest of at.
func away(p Place, at []config.Point) float64 {
	best := math.Inf(1)
	for _, q := range at {
		best = min(best, Distance(p.At, q))
	}
	return best
}

// nearestLens sees the order of own by distance; nil when no pool says where
// it is.
func nearestLens(own []config.Choice, policies map[string]*config.Policy, pools map[string]*config.Pool) lens {
	at := make([][]config.Point, len(own))
	known := false
	for i, c := range own {
		at[i] = points(c, policies, pools)
		known = known || len(at[i]) > 0
	}
	if !known {
		return nil
	}
	return func(p Place, key []byte) []byte {
		if !p.At.Known {
			return append(key, '-')
		}
		order, far := make([]int, len(own)), make([]float64, len(own))
		for i := range own {
			order[i], far[i] = i, away(p, at[i])
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(far[a], far[b]) })
		for _, i := range order {
			key = append(strconv.AppendInt(key, int64(i), 36), ',')
		}
		return key
	}
}
