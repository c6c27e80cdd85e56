package steer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
)

func TestPresets(t *testing.T) {
	tests := []struct{ what, policy, good, pools, want string }{
		{"the first that is up", config.Failover, "", "a+ b+ c+", "a"},
		{"a pool that is down is passed over", config.Failover, "", "a- b+ c+", "b"},
		{"unknown is not down", config.Failover, "", "a? b- c-", "a"},
		{"up is better than unknown", config.Failover, "", "a? b+", "b"},
		{"a drained pool gives way", config.Failover, "", "a+/d b+", "b"},
		{"a drained pool that is up beats one that is down", config.Failover, "", "a+/d b-", "a"},
		{"forced down", config.Failover, "", "a+/x b+", "b"},
		{"forced up", config.Failover, "", "a-/u b+", "a"},
		{"nothing up: the last good order", config.Failover, "b", "a- b- c-", "open: b"},
		{"nothing up and nothing known: the order of the service", config.Failover, "", "a- b-", "open: a"},
		{"nothing up: forced down comes last", config.Failover, "a", "a-/x b-", "open: b"},
		{"nothing up: drained comes after the others", config.Failover, "a", "a-/d b-", "open: b"},
		{"all forced down still answers", config.Failover, "", "a+/x b+/x", "open: a"},
		{"a pool without addresses is passed over", config.Failover, "", "a+! b+", "b"},
		{"even when the other is down", config.Failover, "", "a+! b-", "open: b"},
		{"no valid data at all", config.Failover, "", "a+! b-!", "nothing"},

		{"weights", config.Weighted, "", "a+=95 b+=5", "a=95 b=5"},
		{"weight 0 waits", config.Weighted, "", "a+=0 b+=255", "b"},
		{"weight 0 answers when nothing else is up", config.Weighted, "", "a+=0 b-=255", "a"},
		{"several of weight 0 share equally", config.Weighted, "", "a+=0 b+=0 c-=3", "a=50 b=50"},
		{"fail open keeps the weights of the last good order", config.Weighted, "a b", "a-=95 b-=5 c-=1", "open: a=95 b=5"},

		{"all that are up", config.All, "", "a+ b- c+", "a&c"},
		{"all fails open", config.All, "a", "a- b-", "open: a"},

		{"a last resort answers when no other is up", config.Failover, "", "a- b+*", "b"},
		{"and comes behind the others, wherever it stands", config.Failover, "", "a+* b+", "b"},
		{"unknown is better than a last resort", config.Failover, "", "a? b+*", "a"},
		{"a last resort is better than what waits", config.Failover, "", "a+& b+*", "b"},
		{"and than what an operator drains", config.Failover, "", "a+/d b+*", "b"},
		{"one that is down is no better than the last good order", config.Failover, "a", "a- b-*", "open: a"},
		{"a last resort has no part in weights", config.Weighted, "", "a+ b+ c+*", "a=50 b=50"},

		{"what waits answers only when nothing better is up", config.Failover, "", "a+& b+", "b"},
		{"of those that wait, the one that answers meanwhile goes on", config.Failover, "b", "a+& b+&", "b"},
		{"of those that wait, the first when none is known to be good", config.Failover, "c", "a+& b+&", "a"},
		{"unknown is better than what waits", config.Failover, "", "a+& b?", "b"},
		{"what waits is better than what is drained", config.Failover, "", "a+/d b+&", "b"},
		{"what waits is better than down", config.Failover, "", "a+& b-", "a"},
		{"a person's word lets it back", config.Failover, "", "a-/u& b+", "a"},
		{"nothing up: what works again before what was last good", config.Failover, "b", "a-> b- c-", "open: a"},
		{"nothing up: of those that work again, the last good one", config.Failover, "b", "a-> b->", "open: b"},
		{"what is up is better than what is held down", config.Failover, "", "a-> b+", "b"},
		{"unknown is, too", config.Failover, "", "a-> b?", "b"},
		{"nothing up: a person's word outlasts that it works", config.Failover, "", "a->/x b-", "open: b"},
		{"nothing up: what works again shares by weight", config.Weighted, "c", "a->=3 b->=1 c-", "open: a=75 b=25"},
		{"unsteady stays behind", config.Failover, "", "a+$ b+", "b"},
		{"and answers when no other is up", config.Failover, "", "a+$ b?", "a"},

		{"a ramp gives the rest to the next", config.Failover, "", "a+^10 b+ c+", "a=10 b=90"},
		{"over several ramps", config.Failover, "", "a+^10 b+^50 c+", "a=10 b=50 c=40"},
		{"with nobody to hold the rest there is no ramp", config.Failover, "", "a+^10 b-", "a"},
		{"a person's word waits for no ramp", config.Failover, "", "a+/u^10 b+", "a"},
		{"a ramp among weights", config.Weighted, "", "a+=50^10 b+=25 c+=25", "a=10 b=45 c=45"},
		{"what is drained holds no rest", config.Failover, "", "a+^10 b+/d", "a"},
		{"nor what waits", config.Failover, "", "a+^10 b+&", "a"},
		{"what is unsteady does", config.Failover, "", "a+^10 b+$", "a=10 b=90"},
		{"no ramp while failing open", config.Failover, "", "a-^10 b-", "open: a"},
		{"nor among weights", config.Weighted, "", "a-^10 b-", "open: a=50 b=50"},

		{"max_share makes room for the next", config.Failover, "", "a+%60 b+ c+", "a=60 b=40"},
		{"and on", config.Failover, "", "a+%60 b+%30 c+", "a=60 b=30 c=10"},
		{"a last resort takes what no other has room for", config.Failover, "", "a+%60 b+* c+%30", "a=60 c=30 b=10"},
		{"all full: in proportion", config.Failover, "", "a+%60 b+%20 c-", "a=75 b=25"},
		{"a ramp gives way before a max_share", config.Failover, "", "a+%60^10 b+%50", "a=50 b=50"},
		{"and from the top", config.Failover, "", "a+%60^10 b+%50 c+%20^1", "a=49 b=50 c=1"},
		{"weights under a max_share", config.Weighted, "", "a+=80%50 b+=10 c+=10", "a=50 b=25 c=25"},
		{"weight 0 has room when the others have not", config.Weighted, "", "a+=1%50 b+=0", "a=50 b=50"},
		{"unknown is no room", config.Failover, "", "a+%60 b?", "a"},
	}
	for _, tt := range tests {
		d := Decide(stageOf(tt.pools, tt.policy).after(tt.good).in)
		if got := write(d); got != tt.want {
			t.Errorf("%s: %s of %q after %q: got %q, want %q (%s)", tt.what, tt.policy, tt.pools, tt.good, got, tt.want, d.Why)
		}
	}
}

func TestTTLRule(t *testing.T) {
	tests := []struct {
		what, policy, pools string
		want                int
	}{
		{"nothing in doubt: the service's own", config.Failover, "a+ b+", 30},
		{"the answering pool is in doubt", config.Failover, "a+~12 b+", 12},
		{"never below the floor", config.Failover, "a+~1 b+", 10},
		{"a better pool is about to return", config.Failover, "a-~20 b+", 20},
		{"a worse pool does not matter", config.Failover, "a+ b-~12", 30},
		{"failing open", config.Failover, "a- b-", 10},
		{"a forced state does not wait for probes", config.Failover, "a+/u~12 b+", 30},
		{"one that comes back and waits", config.Failover, "a-&~12 b+", 30},
		{"all with a weight matter", config.Weighted, "a+ b-~12", 12},
		{"one of weight 0 does not", config.Weighted, "a+ b-=0~12", 30},
		{"the next one matters where it takes overflow", config.Failover, "a+%60 b+~12 c+", 12},
		{"and one behind it does not", config.Failover, "a+%60 b+ c+~12", 30},
		{"what has no addresses", config.Failover, "a-!~12 b+", 30},
	}
	for _, tt := range tests {
		if d := Decide(stageOf(tt.pools, tt.policy).in); d.TTL != time.Duration(tt.want)*time.Second {
			t.Errorf("%s: TTL of %q is %v, want %ds", tt.what, tt.pools, d.TTL, tt.want)
		}
	}
}

func TestWhy(t *testing.T) {
	tests := []struct{ policy, pools, want string }{
		{config.Failover, "a- b+ c+", "b answers; a is down (HTTP 500)"},
		{config.Failover, "a+/d b+", "b answers; a drains (override drain by kim: test)"},
		{config.Failover, "a+& b+", "b answers; a waits to be let back (down for 8h)"},
		{config.Failover, "a+$ b+", "b answers; a stays behind: the service has moved too often"},
		{config.Failover, "a- b+*", "b answers; a is down (HTTP 500)"},
		{config.Failover, "a+ b+*", "a answers"},
		{config.Weighted, "a+=95 b+=5", "a 95%, b 5% share the answers"},
		{config.All, "a+ b+", "a, b answer together"},
		{config.Fastest, "a+#20 b+#10 c-", "b answers (lowest latency); c is down (HTTP 500)"},
		{config.Fastest, "a+#20 b-#10", "a answers (only one candidate left); b is down (HTTP 500)"},
		{config.Fastest, "a-#20 b-#10", "nothing is up, so the order of the service answers: a"},
		{config.Failover, "a- b-", "nothing is up, so the order of the service answers: a"},
		{config.Failover, "a+!", "no pool has anything to answer with: has no addresses"},
		{config.Failover, "a+%60 b+%20", "a 75%, b 25% share the answers; what is up can carry 80% of the answers (a 60%, b 20%): the other 20% is spread over it in that proportion"},
	}
	for _, tt := range tests {
		if d := Decide(stageOf(tt.pools, tt.policy).in); d.Why != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.policy, tt.pools, d.Why, tt.want)
		}
	}
}

// TestSteps: each filter says what it kept and dropped, failing open too.
func TestSteps(t *testing.T) {
	for _, c := range []struct{ policy, pools, good, want string }{
		{config.Failover, "a- b+ c+", "", "able[a b c] healthy[b c] a:is down (HTTP 500) first: 1[b] c:is not needed"},
		{config.Failover, "a- b- c-", "b", "able[a b c] healthy[b](nothing is up: fail open) a:is down (HTTP 500) c:is down (HTTP 500) first: 1[b]"},
		{config.Failover, "a-/x b-", "", "able[a b] healthy[b](nothing is up: fail open) a:is down (override down by kim: test) first: 1[b]"},
		{config.Weighted, "a+=95 b+=5 c+=0", "", "able[a b c] healthy[a b c] weighted[a b](a 95%, b 5%) c:has weight 0"},
		{config.All, "a+! b+ c-", "", "able[b c] a:has no addresses healthy[b] c:is down (HTTP 500) all[b]"},
		{config.Failover, "a+^10 b+", "", "able[a b] healthy[a b] first: 1[a] b:is not needed shares[a b](a 10%, b 90%; the ramp of a is at 10%)"},
		{config.Failover, "a+%60 b+", "", "able[a b] healthy[a b] capacity[a b](a at most 60%) shares[a b](a 60%, b 40%)"},
		{config.Fastest, "a+#20 b+#10 c+", "", "able[a b c] healthy[a b c] fastest[b a c](lowest latency; b 10ms, a 20ms, c not known) first: 1[b] a:is not needed c:is not needed"},
		{config.Nearest, "a+@0,0 b+@0,9", "", "able[a b] healthy[a b] nearest[a b](no coordinates of these clients are known: the order stays) first: 1[a] b:is not needed"},
	} {
		if got := stepsText(Decide(stageOf(c.pools, c.policy).after(c.good).in)); got != c.want {
			t.Errorf("%q after %q:\n got %s\nwant %s", c.pools, c.good, got, c.want)
		}
	}
}

func stepsText(d Decision) string {
	var out []string
	for _, step := range d.Steps {
		text := step.Filter + fmt.Sprint(step.Kept)
		if step.Note != "" {
			text += "(" + step.Note + ")"
		}
		for _, d := range step.Dropped {
			text += " " + d.Pool + ":" + d.Why
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// Reasons are those of jsDelivr's Openmix application, and a few more.
func TestReason(t *testing.T) {
	for _, c := range []struct {
		policy, pools string
		want          Reason
	}{
		{config.Fastest, "a+#20 b+#10", Quickest},
		{config.Fastest, "a+#20 b-#10", OnlyOne},
		{config.Fastest, "a+ b+#10", Quickest},
		{config.Fastest, "a+ b+", InOrder},
		{config.Fastest, "a+ b-", OnlyOne},
		{config.Fastest, "a-#20 b-#10", NobodyLeft},
		{config.Failover, "a+ b+", InOrder},
		{config.Failover, "a+ b-", OnlyOne},
		{config.Weighted, "a+ b+", SharedOut},
		{config.All, "a+ b+", Together},
		{config.All, "a+! b-!", NoData},
	} {
		if d := Decide(stageOf(c.pools, c.policy).in); d.Reason != c.want {
			t.Errorf("%s of %q: %q, want %q", c.policy, c.pools, d.Reason, c.want)
		}
	}
}

func TestWouldChange(t *testing.T) {
	for _, c := range []struct{ what, policy, pools, want string }{
		{"the first", config.Failover, "a+ b+ c+", "a down"},
		{"a better one back, or this one gone", config.Failover, "a- b+ c+", "a up again, b down"},
		{"alone nothing", config.Failover, "a+", ""},
		{"failing open", config.Failover, "a- b-", "b up again"},
		{"weights", config.Weighted, "a+ b-", "a down, b up again"},
		{"a ramp", config.Failover, "a+^10 b+", "a down, the next step of the ramp of a, b down"},
		{"one that waits", config.Failover, "a+& b+", "a let back, b down"},
		{"one that is unsteady", config.Failover, "a+$ b+", "moves of the service free again, b down"},
		{"an override", config.Failover, "a-/u b+", "the end of the override up of a"},
		{"a drain", config.Failover, "a+/d b+", "the end of the override drain of a, b down"},
		{"one unknown", config.Failover, "a? b+", "a up, b down"},
	} {
		in := stageOf(c.pools, c.policy).in
		in.Explain = true
		if got := strings.Join(Decide(in).WouldChange, ", "); got != c.want {
			t.Errorf("%s: %s of %q: %q, want %q", c.what, c.policy, c.pools, got, c.want)
		}
	}
}
