package steer

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// A kind says what a random scene may have.
type kind struct {
	fences, lists, nested, union bool
	plain                        bool // no caps, no waits, nothing unsteady, no last resorts
}

var anything = kind{fences: true, lists: true, nested: true, union: true}

// anyPools draws pools in the notation of stageOf.
func anyPools(t *rapid.T, k kind, n int) string {
	var words []string
	for i := range n {
		w := string(rune('a' + i))
		w += rapid.SampledFrom([]string{"+", "+", "-", "?"}).Draw(t, "state")
		w += rapid.SampledFrom([]string{"", "", "", "", "/d", "/u", "/x"}).Draw(t, "override")
		w += rapid.SampledFrom([]string{"", "", "", "", "", "!"}).Draw(t, "bare")
		w += rapid.SampledFrom([]string{"", "=0", "=5", "=1000000"}).Draw(t, "weight")
		w += rapid.SampledFrom([]string{"", "", "~12", "~3"}).Draw(t, "doubt")
		if !k.plain {
			w += rapid.SampledFrom([]string{"", "", "", "&"}).Draw(t, "waits")
			w += rapid.SampledFrom([]string{"", "", "", "$"}).Draw(t, "unsteady")
			w += rapid.SampledFrom([]string{"", "", "%60", "%30", "%0.001", "%33.3333"}).Draw(t, "max share")
			w += rapid.SampledFrom([]string{"", "", "^1", "^10", "^50"}).Draw(t, "ramp")
			w += rapid.SampledFrom([]string{"", "", "", "*"}).Draw(t, "last")
		}
		w += rapid.SampledFrom([]string{"", ":eu", ":us", ":eu,us"}).Draw(t, "law")
		w += rapid.SampledFrom([]string{"", "#10", "#11", "#20", "#40"}).Draw(t, "latency")
		w += rapid.SampledFrom([]string{"", "@52.5,13.4", "@40.7,-74", "@-33.9,151.2"}).Draw(t, "at")
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// anyChain draws a chain as config lets one through: what narrows, then what
// sorts, then what shares out.
func anyChain(t *rapid.T, k kind, pools []string) string {
	narrow := []string{rapid.SampledFrom([]string{"healthy", "healthy keep", "healthy min 2"}).Draw(t, "healthy")}
	if k.fences {
		narrow = append(narrow, rapid.SliceOfN(rapid.SampledFrom([]string{"fence EU in eu", "fence in us open", "fence CN US in eu us"}), 0, 2).Draw(t, "fences")...)
	}
	some := func() string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(pools), 1, len(pools), rapid.ID).Draw(t, "list"), " ")
	}
	if k.lists && rapid.Bool().Draw(t, "prefer") {
		narrow = append(narrow, rapid.SampledFrom([]string{
			"prefer CN: " + some() + "; EU: " + some() + " | " + some() + "; else: " + some(),
			"prefer AS64500: " + some() + "; 192.0.2.0/24: " + some() + "; skip 1",
			"prefer else: " + some() + " | " + some() + "; skip 2",
		}).Draw(t, "lists"))
	}
	chain := rapid.Permutation(narrow).Draw(t, "order")
	chain = append(chain, rapid.SampledFrom([][]string{{}, {"nearest"}, {"fastest 20% 60s"}}).Draw(t, "sort")...)
	ends := [][]string{{"first 1"}, {}, {"weighted"}, {"sticky"}, {"shuffle"}, {"first 2", "weighted"}, {"capacity"}, {"weighted", "capacity"},
		{"sticky", "capacity", "keep_warm 5"}, {"capacity", "keep_warm 5"}, {"keep_warm 50", "first 1"}}
	if k.union {
		ends = append(ends, []string{"all"}, []string{"first 2", "all"})
	}
	return strings.Join(append(chain, rapid.SampledFrom(ends).Draw(t, "end")...), ", ")
}

// anyPlace draws where a client is.
func anyPlace(t *rapid.T) string {
	return strings.Join([]string{
		rapid.SampledFrom([]string{"", "DE", "FR", "CN", "US"}).Draw(t, "country"),
		rapid.SampledFrom([]string{"", "AS64500"}).Draw(t, "as"),
		rapid.SampledFrom([]string{"", "192.0.2.7", "198.51.100.7"}).Draw(t, "addr"),
		rapid.SampledFrom([]string{"", "52,13", "48,2", "35,139", "-80,0"}).Draw(t, "at"),
	}, " ")
}

// anyStage draws a scene; its text is for messages.
func anyStage(t *rapid.T, k kind) (*stage, string) {
	n := rapid.IntRange(1, 6).Draw(t, "pools")
	pools := anyPools(t, k, n)
	all := make([]string, n)
	for i := range all {
		all[i] = string(rune('a' + i))
	}
	var defs []string
	if k.nested && rapid.Bool().Draw(t, "nested") {
		inner := strings.Fields(pools)[n/2:]
		own := "{eu}" + rapid.SampledFrom([]string{"", "=3", "*"}).Draw(t, "as")
		if k.plain {
			own = "{eu}"
		}
		pools = strings.Join(slices.Concat([]string{own}, strings.Fields(pools)[:n/2], []string{"|"}, inner), " ")
		candidates := strings.Join(all[n/2:], " ")
		if rapid.Bool().Draw(t, "deeper") {
			candidates += " {de}"
			defs = append(defs, "de: "+strings.Join(all[n-1:], " ")+" * "+anyChain(t, k, all))
		}
		defs = append(defs, "eu: "+candidates+" * "+anyChain(t, k, all))
		all = append(all, "eu")
	}
	defs = append(defs, "p: * "+anyChain(t, k, all))
	from := anyPlace(t)
	good := rapid.SliceOf(rapid.SampledFrom(append(all, "policy eu", "z"))).Draw(t, "good")
	s := stageOf(pools, "p").with(defs...).from(from)
	s.in.Good = good
	return s, fmt.Sprintf("%s of %q from %q after %q", strings.Join(defs, "; "), pools, from, good)
}
