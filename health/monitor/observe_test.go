package monitor

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// Every scheduled probe and look-up is observed, with what it saw; one that a
// person asks for is not.
func TestObserve(t *testing.T) {
	w := newWorld(t)
	w.resolve("n.example.", "192.0.2.5")
	w.say("192.0.2.1", "500")
	var mu sync.Mutex
	seen := map[health.Target][]health.Result{}
	d := w.deps()
	d.Observe = func(id health.Target, r health.Result) {
		mu.Lock()
		defer mu.Unlock()
		seen[id] = append(seen[id], r)
	}
	synctest.Test(t, func(t *testing.T) {
		r, err := New(conf(namedPool("n", "n.example."), addressPool("a", "192.0.2.1")), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.Run(ctx) })
		pass(20 * time.Second)
		probes, lookups, bad := 0, 0, 0
		for id, rs := range seen {
			for _, res := range rs {
				switch {
				case id.Pool == "n" && !id.Addr.IsValid() && id.Monitor == "" && res.OK:
					lookups++
				case id.Pool == "n" && id.Monitor == "web" && res.OK && res.Phases.Total > 0:
					probes++
				case id.Pool == "a" && id.Monitor == "web" && res.Class == health.Edge5xx:
					bad++
				default:
					t.Errorf("%+v: %+v", id, res)
				}
			}
		}
		if probes != w.count("192.0.2.5") || bad != w.count("192.0.2.1") || probes == 0 || bad == 0 || lookups == 0 {
			t.Errorf("%d good probes of %d, %d bad ones of %d and %d look-ups were observed", probes, w.count("192.0.2.5"), bad, w.count("192.0.2.1"), lookups)
		}
		if _, err := r.ProbeNow(ctx, "n"); err != nil {
			t.Error(err)
		}
		again := 0
		for _, rs := range seen {
			again += len(rs)
		}
		if again != probes+lookups+bad {
			t.Error("a probe that a person asked for was observed")
		}
		cancel()
		wg.Wait()
	})
}
