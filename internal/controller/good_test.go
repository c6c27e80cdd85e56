package controller

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Invariant 11: the last good order needs soak. A history gives the seconds
// and the order that holds from then on ("open": failing open, so the good
// one); behind it stands the good order at the end.
func TestInvariantGoodOrderNeedsSoak(t *testing.T) {
	for _, c := range []struct{ what, history, want string }{
		{"the first order counts at once", "0:ab", "ab"},
		{"one that has held for a minute counts", "0:ab 10:b 70:b", "b"},
		{"one that has held for less does not", "0:ab 10:b 69:b", "ab"},
		{"all fall within seconds: the order from when the site was well", "0:abc 100:bc 101:c 102:open 500:open", "abc"},
		{"what was left for seconds never counts, however long all is down", "0:ab 10:b 11:open 300:open", "ab"},
		{"back within the minute", "0:ab 10:b 40:ab 200:ab", "ab"},
		{"each change begins the minute anew", "0:abc 10:bc 60:c 80:c", "abc"},
		{"and it counts when nobody looked in between", "0:ab 10:b 500:open", "b"},
	} {
		m := newMemory(nil)
		start := time.Now()
		var now time.Time
		for _, step := range strings.Fields(c.history) {
			at, pools, _ := strings.Cut(step, ":")
			s, err := strconv.Atoi(at)
			if err != nil {
				t.Fatal(err)
			}
			now = start.Add(time.Duration(s) * time.Second)
			order := strings.Split(pools, "")
			if good := m.last("k", now); pools == "open" {
				order = good
			}
			m.note("k", order, now)
		}
		if got := strings.Join(m.last("k", now), ""); got != c.want {
			t.Errorf("%s: %s leaves %q, want %q", c.what, c.history, got, fmt.Sprint(c.want))
		}
	}
}
