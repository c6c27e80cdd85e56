package steer

import (
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

func TestChains(t *testing.T) {
	const (
		eu     = "p: * fence EU in eu, healthy, first 1"
		behind = "p: * healthy, fence EU in eu, first 1"
		opened = "p: * healthy, fence EU in eu open, first 1"
		js     = "p: * healthy, prefer CN MO: q | q; TH: m c q; BR: c; else: m c f | c, fastest 20% 60s, first 1"
		jsOnce = "p: * prefer CN MO: q | q; TH: m c q; BR: c; else: m c f | c, healthy, fastest 20% 60s, first 1"
		cdn4   = "c+#30 m+#20 q+#10 f+#40"
	)
	for _, c := range []struct{ what, chain, from, good, pools, want string }{
		{"unknown: keep", "p: * healthy keep, first 1", "", "", "a? b+", "a"},
		{"unknown: drop", "p: * healthy, first 1", "", "", "a? b+", "b"},
		{"min_up takes unknown ones along", "p: * healthy min 2, weighted", "", "", "a? b+ c-", "b=50 a=50"},
		{"and unsteady ones first", "p: * healthy min 2, weighted", "", "", "a? b+ c+$", "b=50 c=50"},
		{"but none that is down", "p: * healthy min 2, weighted", "", "", "a- b+ c-", "b"},
		{"nor drained, nor waiting", "p: * healthy min 3, weighted", "", "", "a+/d b+ c+&", "b"},

		{"the fence holds", eu, "DE", "", "a+:us b+:eu", "b"},
		{"and for others it does not", eu, "US", "", "a+:us b+:eu", "a"},
		{"an unknown client is nowhere", eu, "", "", "a+:us b+:eu", "a"},
		{"down inside, up outside", eu, "DE", "", "a+:us b-:eu", "open: b"},
		{"down inside, the last good order inside", eu, "DE", "c", "a+:us b-:eu c-:eu", "open: c"},
		{"the same behind healthy", behind, "DE", "", "a+:us b-:eu", "open: b"},
		{"behind healthy, unknown inside", behind, "DE", "", "a+:us b?:eu", "b"},
		{"behind healthy, drained inside", behind, "DE", "", "a+:us b+:eu/d", "b"},
		{"behind healthy, the best of those inside", behind, "DE", "", "a+:us b+:eu/d c?:eu", "c"},
		{"inside forced down comes last", behind, "DE", "", "a+:us b+:eu/x c-:eu", "open: c"},
		{"nothing able inside", eu, "DE", "", "a+:us b+!:eu", "nothing"},
		{"nothing able inside, behind healthy", behind, "DE", "", "a+:us b+!:eu", "nothing"},
		{"an open fence holds", opened, "DE", "", "a+:us b+:eu", "b"},
		{"until all inside are down", opened, "DE", "", "a+:us b-:eu", "a"},
		{"or have nothing to answer with", opened, "DE", "", "a+:us b+!:eu", "a"},
		{"two fences", "p: * healthy, fence in eu, fence in gov, first 1", "", "", "a+:eu b+:gov c+:eu,gov", "c"},
		{"a fence holds for a ramp's rest", eu, "DE", "", "a+:us b+:eu^10 c+:us d+:eu", "b=10 d=90"},
		{"and for capacity", "p: * healthy, fence in eu, capacity", "", "", "a+:us b+:eu%60 c+:us", "b"},
		{"and for keep_warm", "p: * healthy, fence in eu, keep_warm 5, first 1", "", "", "a+:eu b+:us c+:eu", "a=95 c=5"},
		{"unsteady inside is better than outside", behind, "DE", "", "a+:us b+:eu$", "b"},

		{"the list of the place", "p: * healthy, prefer CN: b a; else: a, first 1", "CN", "", "a+ b+", "b"},
		{"the default", "p: * healthy, prefer CN: b a; else: a, first 1", "FR", "", "a+ b+", "a"},
		{"no default: all in order", "p: * healthy, prefer CN: b, first 1", "FR", "", "a+ b+", "a"},
		{"the listed one is down: what is there", "p: * healthy, prefer CN: b, first 1", "CN", "", "a+ b-", "a"},
		{"before healthy it is the list that fails open", "p: * prefer CN: b, healthy, first 1", "CN", "", "a+ b-", "open: b"},
		{"all down: those listed", "p: * healthy, prefer CN: b, first 1", "CN", "a", "a- b-", "open: b"},
		{"the most specific: country before union", "p: * healthy, prefer EU: a; DE: b; continent:EU: c, first 1", "DE", "", "a+ b+ c+", "b"},
		{"union before continent", "p: * healthy, prefer continent:EU: c; EU: a, first 1", "FR", "", "a+ b+ c+", "a"},
		{"continent of a country", "p: * healthy, prefer EU: a; continent:EU: c, first 1", "CH", "", "a+ b+ c+", "c"},
		{"subdivision before country", "p: * healthy, prefer US: a; US-CA: b, first 1", "US US-CA", "", "a+ b+", "b"},
		{"ASN before subdivision", "p: * healthy, prefer US-CA: a; AS64500: b, first 1", "US US-CA AS64500", "", "a+ b+", "b"},
		{"a network before ASN", "p: * healthy, prefer AS64500: a; 192.0.2.0/24: b, first 1", "AS64500 192.0.2.9", "", "a+ b+", "b"},
		{"the longest network", "p: * healthy, prefer 192.0.0.0/16: a; 192.0.2.0/24: b; 192.0.2.0/25: c, first 1", "192.0.2.200", "", "a+ b+ c+", "b"},
		{"a mapped address", "p: * healthy, prefer 192.0.2.0/24: b, first 1", "::ffff:192.0.2.9", "", "a+ b+", "b"},
		{"skip the best name", "p: * healthy, prefer else: a b c; skip 1, first 1", "", "", "a+ b+ c+", "b"},
		{"of those left", "p: * healthy, prefer else: a b c; skip 1, first 1", "", "", "a- b+ c+", "c"},
		{"while more are left", "p: * healthy, prefer else: a b c; skip 2, first 1", "", "", "a- b+ c-", "b"},
		{"before healthy a skipped one is better than failing open", "p: * prefer else: a b; skip 1, healthy, first 1", "", "", "a+ b-", "a"},
		{"overflow stays within the list", "p: * healthy, prefer CN: b c, capacity", "CN", "", "a+ b+%60 c+%60", "b=60 c=40"},
		{"and its last resort takes the rest", "p: * healthy, prefer CN: b | c, capacity", "CN", "", "a+ b+%60 c+%60", "b=60 c=40"},
		{"which an unknown one does not", "p: * healthy, prefer CN: b | c, capacity", "CN", "", "a+ b+%60 c?", "b"},
		{"a drained last resort stays away", "p: * healthy, prefer CN: b | c, first 1", "CN", "", "a+ b- c+/d", "a"},
		{"an unknown one of the list, and its last resort", "p: * healthy, prefer CN: b | b, first 1", "CN", "", "a+ b?", "b"},

		{"jsDelivr: CN", js, "CN", "", cdn4, "q"},
		{"jsDelivr: MO", js, "MO", "", cdn4, "q"},
		{"jsDelivr: TH, the lowest latency of three", js, "TH", "", cdn4, "q"},
		{"jsDelivr: BR", js, "BR", "", cdn4, "c"},
		{"jsDelivr: else, the lowest latency of three", js, "FR", "", cdn4, "m"},
		{"jsDelivr: else, the next", js, "FR", "", "c+#30 m-#20 q+#10 f+#40", "c"},
		{"jsDelivr: nobody left for CN", js, "CN", "", "c+#30 m+#20 q-#10 f+#40", "open: q"},
		{"jsDelivr: nobody left elsewhere", js, "FR", "f", "c-#30 m-#20 q+#10 f-#40", "open: c"},
		{"jsDelivr: nobody left at all", js, "FR", "f", "c- m- q- f-", "open: c"},
		{"jsDelivr: the big red button", js, "FR", "", "c+#30 m+#20/x q+#10 f+#40", "c"},
		{"jsDelivr: and the last resort forced down", js, "CN", "", "c+#30 m+#20 q+#10/x f+#40", "m"},
		{"jsDelivr, prefer first: nobody left for CN", jsOnce, "CN", "", "c+#30 m+#20 q-#10 f+#40", "open: q"},
		{"jsDelivr, prefer first: nobody left elsewhere", jsOnce, "FR", "f", "c-#30 m-#20 q+#10 f-#40", "open: c"},
		{"jsDelivr, prefer first: else", jsOnce, "FR", "", cdn4, "m"},
		{"jsDelivr, prefer first: cloudflare is no last resort while up", jsOnce, "FR", "", "c+#10 m+#20 q+ f+#40", "c"},

		{"nearest", "p: * healthy, nearest, first 1", "52.5,13.4", "", "a+@40.7,-74 b+@50.1,8.7", "b"},
		{"nearest that is up", "p: * healthy, nearest, first 1", "52.5,13.4", "", "a+@40.7,-74 b-@50.1,8.7", "a"},
		{"over the date line", "p: * healthy, nearest, first 1", "-17.7,178", "", "a+@-33.9,151.2 b+@-13.8,-171.8", "b"},
		{"a pool that does not say where it is comes behind", "p: * healthy, nearest, first 1", "52.5,13.4", "", "a+ b+@-33.9,151.2", "b"},
		{"equally far: the first of the service, as for all clients of the class", "p: * healthy, prefer else: b a, nearest, first 1", "0,1", "", "a+@0,0 b+@0,0", "a"},
		{"a last resort stays behind", "p: * healthy, nearest, capacity", "52.5,13.4", "", "a+*@52.5,13.4 b+@50,8%60 c+@0,0%30", "b=60 c=30 a=10"},
		{"overflow goes to the next nearest", "p: * healthy, nearest, capacity", "52.5,13.4", "", "a+@0,0 b+@52,13%60 c+@50,8", "b=60 c=40"},

		{"fastest", "p: * healthy, fastest 20% 60s, first 1", "", "", "a+#30 b+#20 c+", "b"},
		{"nothing known", "p: * healthy, fastest 20% 60s, first 1", "", "", "a+ b+", "a"},

		{"sticky", "p: * healthy, sticky", "", "", "a+=3 b+=1", "a=75 b=25 stay"},
		{"shuffle", "p: * healthy, shuffle", "", "", "a+=3 b+=1", "a=50 b=50"},
		{"first before a split", "p: * healthy, first 2, weighted", "", "", "a+ b+=3 c+", "a=25 b=75"},
		{"first behind a split", "p: * healthy, weighted, first 1", "", "", "a+ b+=3", "a=25 b=75"},
		{"two of all", "p: * healthy, first 2, all", "", "", "a+ b+ c+", "a&b"},
		{"a last resort is not among all", "p: * healthy, all", "", "", "a+ b+ c+*", "a&b"},

		{"keep_warm", "p: * healthy, keep_warm 5, first 1", "", "", "a+ b+ c+", "a=95 b=2.5 c=2.5"},
		{"only what is up is kept warm", "p: * healthy, keep_warm 5, first 1", "", "", "a+ b? c+", "a=95 c=5"},
		{"and neither drained, waiting, unsteady nor a last resort", "p: * healthy, keep_warm 5, first 1", "", "", "a+ b+/d c+& d+$ e+*", "a"},
		{"weight 0 is kept warm", "p: * healthy, weighted, keep_warm 1", "", "", "a+ b+ c+=0", "a=49.5 b=49.5 c=1"},
		{"no cap is exceeded for it", "p: * healthy, capacity, keep_warm 10", "", "", "a+ b+%2 c+%3", "a=95 b=2 c=3"},
		{"a ramp's either", "p: * healthy, keep_warm 10, first 1", "", "", "a+ b+^1 c+", "a=90 b=1 c=9"},
		{"none while failing open", "p: * healthy, keep_warm 5, first 1", "", "", "a- b-", "open: a"},
		{"nobody stands by", "p: * healthy, keep_warm 5, first 1", "", "", "a+ b-", "a"},

		{"capacity in order", "p: * healthy, capacity, first 1", "", "", "a+%60 b+", "a=60 b=40"},
		{"without capacity a max_share does not count", "p: * healthy, first 1", "", "", "a+%60 b+", "a"},
		{"sticky under a max_share", "p: * healthy, sticky, capacity", "", "", "a+=8%50 b+ c+", "a=50 b=25 c=25 stay"},
	} {
		d := Decide(stageOf(c.pools, "p").with(c.chain).from(c.from).after(c.good).in)
		if got := write(d); got != c.want {
			t.Errorf("%s: %s from %q of %q: got %q, want %q (%s)", c.what, c.chain, c.from, c.pools, got, c.want, d.Why)
		}
	}
}

// The chains behind the presets; with a max_share among the pools, also of a
// policy, they share out.
func TestChain(t *testing.T) {
	for _, c := range []struct{ policy, pools, want string }{
		{config.Failover, "a+ b+", "healthy, first: 1"},
		{config.Failover, "a+ b+%60", "healthy, capacity"},
		{config.Failover, "a+ {eu} | b+%60", "healthy, capacity"},
		{config.Weighted, "a+", "healthy, weighted"},
		{config.Weighted, "a+%60", "healthy, weighted, capacity"},
		{config.Nearest, "a+", "healthy, nearest, first: 1"},
		{config.Nearest, "a+%60", "healthy, nearest, capacity"},
		{config.Fastest, "a+", "healthy, fastest, first: 1"},
		{config.Fastest, "a+%60", "healthy, fastest, capacity"},
		{config.All, "a+%60", "healthy, all"},
		{"p", "a+%60", "healthy, first: 1"},
		{"nowhere", "a+", "healthy, first: 1"},
	} {
		in := stageOf(c.pools, c.policy).with("p: * healthy, first 1", "eu: b * healthy, first 1").in
		var got []string
		for _, f := range Chain(c.policy, in.Service.Pools, in.Policies, in.Pools) {
			got = append(got, label(f))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s of %q: %s, want %s", c.policy, c.pools, text, c.want)
		}
	}
}

func TestNested(t *testing.T) {
	for _, c := range []struct{ what, policies, from, good, pools, want string }{
		{"a policy answers as one", "p: * healthy, first 1; eu: a b * healthy, weighted", "", "", "{eu} c+ | a+ b+", "a=50 b=50"},
		{"while one of it is up", "p: * healthy, first 1; eu: a b * healthy, weighted", "", "", "{eu} c+ | a- b+", "b"},
		{"and gives way when none is", "p: * healthy, first 1; eu: a b * healthy, weighted", "", "", "{eu} c+ | a- b-", "c"},
		{"nothing up: the last good order, in the policy too", "p: * healthy, first 1; eu: a b * healthy, first 1", "", "policy_eu b", "{eu} c- | a- b-", "open: b"},
		{"weights of policies", "p: * healthy, weighted; eu: a b * healthy, weighted; us: c d=3 * healthy, weighted", "", "", "{eu}=3 {us} | a+ b+ c+ d+", "a=37.5 b=37.5 c=6.25 d=18.75"},
		{"the preset of a policy", "p: * healthy, first 1; eu: a b * healthy, sticky", "", "", "{eu} c+ | a+ b+", "a=50 b=50 stay"},
		{"two deep", "p: * healthy, first 1; eu: {de} c * healthy, first 1; de: a b * healthy, weighted", "", "", "{eu} d+ | a+ b+ c+", "a=50 b=50"},
		{"two deep, fallen", "p: * healthy, first 1; eu: {de} c * healthy, first 1; de: a b * healthy, weighted", "", "", "{eu} d+ | a- b- c+", "c"},
		{"a circle leads nowhere", "p: * healthy, first 1; eu: {eu} * healthy, first 1", "", "", "{eu} a+", "a"},
		{"a policy with nothing to answer with", "p: * healthy, first 1; eu: a * healthy, first 1", "", "", "{eu} b+ | a+!", "b"},
		{"a union inside", "p: * healthy, first 1; eu: a b * healthy, all", "", "", "{eu} c+ | a+ b+", "a&b"},
		{"a union among others is a split", "p: * healthy, weighted; eu: a b * healthy, all", "", "", "c+ {eu} | a+ b+", "c=50 a=25 b=25"},
		{"keep_warm of what the policy has", "p: * healthy, weighted; eu: a b * healthy, keep_warm 10, first 1", "", "", "{eu} c+ | a+ b+", "a=45 b=5 c=50"},
		{"a fence around takes what is inside", "p: * fence EU in eu, healthy, first 1; mix: a b * healthy, first 1", "DE", "", "{mix} c+:eu | a+:us b+:eu", "b"},
		{"and is behind healthy the same", "p: * healthy, fence EU in eu, first 1; mix: a b * healthy, first 1", "DE", "", "{mix} c+:eu | a+:us b+:eu", "b"},
		{"all down inside of it", "p: * healthy, fence EU in eu, first 1; mix: a b * healthy, first 1", "DE", "", "{mix} c-:us | a+:us b-:eu", "open: b"},
		{"the nearest of a policy", "p: * healthy, nearest, first 1; eu: a b * healthy, nearest, first 1", "52.5,13.4", "", "c+@40,-74 {eu} | a+@48,2 b+@52,13", "b"},
		{"what a fence leaves of it may be down", "p: * healthy, fence in eu, first 1; mix: a b * healthy, first 1", "", "", "{mix} c+:eu | a+:us b-:eu", "c"},
		{"or be up where all was down", "p: * healthy, fence in eu, first 1; mix: a b * healthy, prefer else: a | a, first 1", "", "", "{mix} | a-:us b+:eu", "b"},
		{"the best of those in play, not the first, says how it is", "p: * healthy, first 1; eu: a b * healthy min 2, fastest 20% 60s", "", "", "{eu} c+ | a?#10 b+#20", "a"},
		{"prefer names a policy", "p: * healthy, prefer DE: eu; else: c, first 1; eu: a b * healthy, first 1", "DE", "", "c+ {eu} | a+ b+", "a"},
		{"overflow within a policy, then on", "p: * healthy, capacity; eu: a b * healthy, first 1", "", "", "{eu} c+ | a+%30 b+%40", "a=30 b=40 c=30"},
		{"a pool that two ways lead to keeps its max_share", "p: * healthy, weighted, capacity; eu: a b * healthy, first 1", "", "", "{eu} a+%30 | b+", "a=30 b=70"},
		{"a last resort policy", "p: * healthy, first 1; eu: a b * healthy, weighted", "", "", "{eu}* c- | a+ b+", "a=50 b=50"},
		{"all of it drained", "p: * healthy, first 1; eu: a b * healthy, first 1", "", "", "{eu} c+ | a+/d b+/d", "c"},
		{"a ramp inside", "p: * healthy, first 1; eu: a b * healthy, first 1", "", "", "{eu} c+ | a+^10 b-", "a=10 c=90"},
	} {
		s := stageOf(c.pools, "p").with(strings.Split(c.policies, "; ")...).from(c.from)
		for _, g := range strings.Fields(c.good) {
			s.in.Good = append(s.in.Good, strings.ReplaceAll(g, "_", " "))
		}
		d := Decide(s.in)
		if got := write(d); got != c.want {
			t.Errorf("%s: %s of %q: got %q, want %q (%s)\n%s", c.what, c.policies, c.pools, got, c.want, d.Why, stepsText(d))
		}
	}
}

// The order to remember has behind a policy the order inside it.
func TestGood(t *testing.T) {
	for _, c := range []struct{ pools, good, want string }{
		{"{eu} c+ | a+ b+", "", "policy eu,a,b,c"},
		{"{eu} c+ | a- b+", "", "policy eu,b,c"},
		{"{eu} c+ | a- b-", "policy eu,b,c", "c"},
		{"{eu} c- | a- b-", "policy eu,b,c", "policy eu,b,c"},
	} {
		s := stageOf(c.pools, "p").with("p: * healthy, first 1", "eu: a b * healthy, first 1")
		if c.good != "" {
			s.in.Good = strings.Split(c.good, ",")
		}
		if got := strings.Join(Decide(s.in).Good, ","); got != c.want {
			t.Errorf("%q after %q: %q, want %q", c.pools, c.good, got, c.want)
		}
	}
}

// What is wrong at a fence is said, and nothing else is.
func TestFenceWords(t *testing.T) {
	for _, c := range []struct{ chain, pools, open, shut string }{
		{"p: * healthy, fence in eu, first 1", "a+:us b+:eu", "", ""},
		{"p: * healthy, fence in eu, first 1", "a+:us b?:eu", "", ""},
		{"p: * healthy, fence in eu, first 1", "a+:us b-:eu c-:eu", "", "all pools in eu are down (b, c): they answer all the same"},
		{"p: * fence in eu, healthy, first 1", "a+:us b-:eu", "", "all pools in eu are down (b): they answer all the same"},
		{"p: * healthy, fence in eu ch, first 1", "a+:us b+:eu!", "", "no pool in eu or ch has anything to answer with"},
		{"p: * healthy, fence in eu open, first 1", "a+:us b-:eu", "all pools in eu are down (b): the fence is open, and others answer", ""},
		{"p: * healthy, fence in eu open, first 1", "a+:us", "no pool in eu has anything to answer with: the fence is open, and others answer", ""},
	} {
		d := Decide(stageOf(c.pools, "p").with(c.chain).in)
		if d.FenceOpen != c.open || d.FenceDown != c.shut {
			t.Errorf("%s of %q: open %q, down %q; want %q, %q", c.chain, c.pools, d.FenceOpen, d.FenceDown, c.open, c.shut)
		}
		if words := c.open + c.shut; !strings.Contains(d.Why, words) {
			t.Errorf("%s of %q: %q does not say %q", c.chain, c.pools, d.Why, words)
		}
	}
}
