package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/shunt-dns/shunt/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is what a Teller sees and reaches.
type world struct {
	mu      sync.Mutex
	alarms  []Alarm
	happens map[uint64]Alarm
	heard   []string         // "route: raised pool-down", in order
	broken  map[string]error // by route: what deliveries end in
	hangs   map[string]bool
	tries   map[string]int
}

func (w *world) set(codes ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = nil
	for _, c := range codes {
		w.alarms = append(w.alarms, Alarm{Code: c, Severity: "warning", Since: time.Now()})
	}
}

func (w *world) breaks(route string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[route] = err
}

func (w *world) send(ctx context.Context, r *config.Alert, m Message) error {
	w.mu.Lock()
	err, hangs := w.broken[r.Name], w.hangs[r.Name]
	w.tries[r.Name]++
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range m.Items {
		w.heard = append(w.heard, fmt.Sprintf("%s: %s %s", r.Name, i.State, i.Code))
	}
	return nil
}

// attempts returns how often route was tried.
func (w *world) attempts(route string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries[route]
}

// take returns what was heard since the last call, sorted.
func (w *world) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := slices.Sorted(slices.Values(w.heard))
	w.heard = nil
	return strings.Join(heard, ", ")
}

func newWorld() *world {
	return &world{broken: map[string]error{}, hangs: map[string]bool{}, tries: map[string]int{}, happens: map[uint64]Alarm{}}
}

func (w *world) deps(path string) Deps {
	return Deps{Node: "ns1", Path: path, Log: slog.New(slog.DiscardHandler), Send: w.send,
		Alarms: func() []Alarm { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.alarms) },
		Happened: func(after uint64) (list []Alarm, last uint64) {
			w.mu.Lock()
			defer w.mu.Unlock()
			last = after
			for id, a := range w.happens {
				if id > after {
					list, last = append(list, a), max(last, id)
				}
			}
			return list, last
		}}
}

// run runs f beside a Teller, in a bubble.
func run(t *testing.T, routes []config.Alert, w *world, path string, f func(tell *Teller)) {
	t.Helper()
	tell := New(routes, w.deps(path))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tell.Run(ctx) }()
	f(tell)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (w *world) want(t *testing.T, what, want string) {
	t.Helper()
	synctest.Wait()
	if got := w.take(); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

var two = []config.Alert{
	{Name: "a", Kind: config.Webhook, Resolved: true, Group: 2 * time.Second},
	{Name: "b", Kind: config.Slack, Resolved: true, Group: 2 * time.Second},
}

func TestTellerTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		run(t, two, w, "", func(tell *Teller) {
			w.set("pool-down")
			time.Sleep(4 * time.Second)
			w.want(t, "an alarm", "a: raised pool-down, b: raised pool-down")
			time.Sleep(time.Hour)
			w.want(t, "that lasts", "")
			w.set()
			w.mu.Lock()
			w.happens[7] = Alarm{Code: "drill-ended", Severity: "warning"}
			w.mu.Unlock()
			time.Sleep(4 * time.Second)
			w.want(t, "its end", "a: ended pool-down, a: happened drill-ended, b: ended pool-down, b: happened drill-ended")
			if s := tell.Status(); s[0].State != "idle" || s[0].Told != 3 || s[0].Sent == nil {
				t.Errorf("%+v", s[0])
			}
		})
	})
}

// A route that fails or hangs delays no other; it tries again, seldom, and
// alarms; and tells how things stand once it can.
func TestTellerFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.breaks("a", errors.New("503 Service Unavailable"))
		run(t, two, w, "", func(tell *Teller) {
			w.set("pool-down")
			time.Sleep(4 * time.Second)
			w.want(t, "the other route", "b: raised pool-down")
			if f := tell.Failing(); len(f) != 0 {
				t.Errorf("%+v so soon", f)
			}
			time.Sleep(time.Hour)
			w.want(t, "while it fails", "")
			if n := w.attempts("a"); n < 10 || n > 40 {
				t.Errorf("%d attempts in an hour", n)
			}
			if f := tell.Failing(); len(f) != 1 || f[0].Subject != "a" || !strings.Contains(f[0].What, "503 Service Unavailable") {
				t.Errorf("%+v", f)
			}
			w.set("fail-open")
			w.breaks("a", nil)
			time.Sleep(10 * time.Minute)
			w.want(t, "once it works", "a: ended pool-down, a: raised fail-open, b: ended pool-down, b: raised fail-open")
			if f := tell.Failing(); len(f) != 0 {
				t.Errorf("%+v after all", f)
			}
			w.mu.Lock()
			w.hangs["a"] = true
			w.mu.Unlock()
			w.set()
			time.Sleep(4 * time.Second)
			w.want(t, "beside one that hangs", "b: ended fail-open")
		})
	})
}

// A receiver that names a time is left alone until then.
func TestTellerWaitsAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.breaks("a", Later{100 * time.Second, "429 Too Many Requests"})
		run(t, two[:1], w, "", func(*Teller) {
			w.set("blind")
			time.Sleep(90 * time.Second)
			if n := w.attempts("a"); n != 1 {
				t.Errorf("%d attempts within the time", n)
			}
			w.breaks("a", nil)
			time.Sleep(20 * time.Second)
			w.want(t, "then", "a: raised blind")
		})
	})
}

// What people know of outlives the process; a damaged file does not keep it
// from starting.
func TestTellerRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "alerts.json")
		w := newWorld()
		w.set("pool-down", "frozen")
		run(t, two[:1], w, path, func(*Teller) {
			time.Sleep(4 * time.Second)
			w.want(t, "at first", "a: raised frozen, a: raised pool-down")
		})
		w.set("frozen")
		run(t, two[:1], w, path, func(*Teller) {
			time.Sleep(4 * time.Second)
			w.want(t, "after a restart", "a: ended pool-down")
		})
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, two[:1], w, path, func(*Teller) {
			time.Sleep(4 * time.Second)
			w.want(t, "with a damaged file", "a: raised frozen")
		})
	})
}

// A reload keeps what is known of a route by its name.
func TestTellerReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		run(t, two[:1], w, "", func(tell *Teller) {
			w.set("pool-down")
			time.Sleep(4 * time.Second)
			w.want(t, "at first", "a: raised pool-down")
			tell.Use(two)
			time.Sleep(4 * time.Second)
			w.want(t, "a route more", "b: raised pool-down")
			tell.Use(two[1:])
			w.set()
			time.Sleep(4 * time.Second)
			w.want(t, "a route less", "b: ended pool-down")
		})
	})
}

func TestTellerTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.breaks("b", errors.New("no"))
		run(t, two, w, "", func(tell *Teller) {
			got, err := tell.Test(t.Context(), "", "kim")
			if err != nil || len(got) != 2 || got["a"] != nil || got["b"] == nil {
				t.Errorf("%v, %v", got, err)
			}
			w.want(t, "a test", "a: happened test")
			if _, err := tell.Test(t.Context(), "c", "kim"); err == nil || !strings.Contains(err.Error(), "the routes are: a, b") {
				t.Error(err)
			}
		})
	})
}
