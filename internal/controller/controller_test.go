package controller

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
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A fakeMonitor says what a test tells it to.
type fakeMonitor struct {
	mu      sync.Mutex
	table   *health.Table
	changed chan struct{}
	reloads int
	fail    error
}

func newFakeMonitor() *fakeMonitor {
	return &fakeMonitor{table: &health.Table{Pools: map[string]*health.Pool{}}, changed: make(chan struct{}, 1)}
}

func (m *fakeMonitor) Table() *health.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table
}
func (m *fakeMonitor) Changed() <-chan struct{}    { return m.changed }
func (m *fakeMonitor) Save() []health.Saved        { return nil }
func (m *fakeMonitor) Reload(*config.Config) error { m.reloads++; return m.fail }

// say sets pools as in "a+ b-".
func (m *fakeMonitor) say(text string) {
	t := &health.Table{At: time.Now(), Pools: map[string]*health.Pool{}}
	for _, w := range strings.Fields(text) {
		p := &health.Pool{Name: w[:1], State: map[byte]health.State{'+': health.Up, '-': health.Down, '?': health.Unknown}[w[1]], Since: time.Now()}
		if p.State == health.Down {
			p.Reason = "HTTP 500"
		}
		t.Pools[p.Name] = p
	}
	m.mu.Lock()
	m.table = t
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// A bench is a controller at work on a configuration in a folder of its own.
type bench struct {
	*testing.T
	*Controller
	dir       string
	monitor   *fakeMonitor
	snapshots chan *zone.Snapshot
	stop      func()
}

const testConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
pools:
  - {name: a, addresses: [192.0.2.1]}
  - {name: b, addresses: [192.0.2.2]}
  - {name: c, addresses: [192.0.2.3]}
zones:
  - name: example.test
    services:
      - {name: www, pools: [a, b, c], policy: failover}
      - {name: api, pools: [b, c], policy: failover}
`

// start runs a controller in dir, which keeps state between starts, after it
// was tuned.
func start(t *testing.T, dir, states string, tune ...func(*Controller)) *bench {
	t.Helper()
	b := &bench{T: t, dir: dir, monitor: newFakeMonitor(), snapshots: make(chan *zone.Snapshot, 100)}
	path := filepath.Join(dir, "shunt.yaml")
	if _, err := os.Stat(path); err != nil {
		b.write(testConfig)
	}
	load := func() (*config.Config, error) { return config.Load(path, config.Overrides{}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	state, err := ReadState(cfg.Node.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	b.monitor.say(states)
	b.Controller = New(l, state, Deps{Monitor: b.monitor, Load: load, Log: slog.New(slog.DiscardHandler),
		Publish: func(s *zone.Snapshot) { b.snapshots <- s }})
	for _, f := range tune {
		f(b.Controller)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Controller.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	<-b.snapshots
	b.answers(states)
	return b
}

// answers waits until the controller has seen states, by a job on its goroutine.
func (b *bench) answers(string) {
	b.Helper()
	time.Sleep(time.Millisecond)
	if err := b.do(context.Background(), func() error { b.decide(probed); return nil }); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) write(text string) { b.Helper(); writeFile(b.T, b.dir, "shunt.yaml", text) }

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// say tells of states, and waits until they are decided on.
func (b *bench) say(states string) { b.Helper(); b.monitor.say(states); b.answers(states) }

// want checks what www answers, by asking the snapshot.
func (b *bench) want(name, addr string) {
	b.Helper()
	e, err := b.Explain(name, "A", Asker{})
	if err != nil {
		b.Fatal(err)
	}
	if len(e.Answer) != 1 || !strings.HasSuffix(e.Answer[0], " "+addr) {
		b.Errorf("%s answers %q, want %s (%s)", name, e.Answer, addr, e.Why)
	}
}

func override(pool string, f health.Force, d time.Duration) health.Override {
	o, err := health.NewOverride(pool, f, "test", "kim", time.Now(), d)
	if err != nil {
		panic(err)
	}
	return o
}

func TestAnswersFollowVerdicts(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	b.want("www.example.test", "192.0.2.1")
	b.say("a- b+ c+")
	b.want("www.example.test", "192.0.2.2")
	b.say("a- b- c-")
	b.want("www.example.test", "192.0.2.1") // the order from when the site was last well
	s := b.Status()
	if !slices.Contains(s.FailOpen, "www.example.test.") || !hasAlarm(s, "fail-open") {
		t.Errorf("fail open is not told of: %v, %v", s.FailOpen, s.Alarms)
	}
	b.say("a+ b+ c+")
	b.want("www.example.test", "192.0.2.1")
	if s := b.Status(); len(s.Alarms) > 0 {
		t.Errorf("alarms stay after recovery: %v", s.Alarms)
	}
}

func hasAlarm(s *Status, code string) bool {
	return slices.ContainsFunc(s.Alarms, func(a Alarm) bool { return a.Code == code })
}

// An unchanged answer publishes no snapshot: generations count changes.
func TestGenerationCountsChanges(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	before := b.Status().Generation
	b.say("a+ b+ c-") // c answers nowhere
	if got := b.Status().Generation; got != before {
		t.Errorf("generation went from %d to %d without a changed answer", before, got)
	}
	b.say("a- b+ c-")
	if got := b.Status().Generation; got != before+1 {
		t.Errorf("generation %d after one change of %d", got, before)
	}
}

// Invariant 8: generations never go back, also across restarts.
func TestInvariantMonotonicGenerations(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	b.say("a- b+ c+")
	last := b.Status().Generation
	b.stop()
	if b = start(t, dir, "a- b+ c+"); b.Status().Generation <= last {
		t.Errorf("generation %d after a restart, %d before", b.Status().Generation, last)
	}
}

func TestOverrides(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	if err := b.Override(ctx, override("a", health.ForceDown, time.Hour), false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.2")
	p := b.Status().Pools[0]
	if p.State != "up" || p.Override == nil || p.Override.Force != health.ForceDown {
		t.Errorf("the real state is not shown beside the forced one: %+v", p)
	}
	b.stop()

	b = start(t, dir, "a+ b+ c+") // survives a restart
	b.want("www.example.test", "192.0.2.2")
	if err := b.ClearOverride(ctx, "a", "kim"); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.1")
	if err := b.ClearOverride(ctx, "a", "kim"); err == nil {
		t.Error("an override that is not there could be cleared")
	}
	if err := b.Override(ctx, override("nosuch", health.ForceDown, time.Hour), false); err == nil {
		t.Error("a pool that is not there could be overridden")
	}
}

// Invariant 18: every override ends by itself.
func TestInvariantOverrideExpiry(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	if err := b.Override(context.Background(), override("a", health.ForceDrain, 50*time.Millisecond), false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.2")
	deadline := time.Now().Add(5 * time.Second)
	for b.Status().Pools[0].Override != nil && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	b.want("www.example.test", "192.0.2.1")
}

func TestAtLeastNeedsForce(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b- c+")
	err := b.Override(context.Background(), override("c", health.ForceDown, time.Hour), false)
	var refused Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "api.example.test.") {
		t.Fatalf("taking the last pool of api: %v", err)
	}
	b.want("api.example.test", "192.0.2.3")
	if err := b.Override(context.Background(), override("c", health.ForceDown, time.Hour), true); err != nil {
		t.Fatal(err)
	}
	b.want("api.example.test", "192.0.2.2") // b is down, and c forced down: b before c
}

// Invariant 6: the off switch holds without network, over a restart, and ends.
func TestInvariantFreeze(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	f, err := health.NewFreeze("probes flap", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Freeze(ctx, f); err != nil {
		t.Fatal(err)
	}
	b.say("a- b+ c+")
	b.want("www.example.test", "192.0.2.1")
	b.stop()

	b = start(t, dir, "a- b+ c+")
	b.want("www.example.test", "192.0.2.1")
	if s := b.Status(); s.Frozen == nil || s.Frozen.Reason != "probes flap" || !hasAlarm(s, "frozen") {
		t.Errorf("status does not show the freeze: %+v", s.Frozen)
	}
	if err := b.Override(ctx, override("a", health.ForceDrain, time.Hour), false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.2") // an operator's word counts
	if err := b.ClearOverride(ctx, "a", "kim"); err != nil {
		t.Fatal(err)
	}
	if err := b.Unfreeze(ctx, "kim"); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.2")
	if err := b.Unfreeze(ctx, "kim"); err == nil {
		t.Error("what is not frozen could be unfrozen")
	}
}

func TestReload(t *testing.T) {
	ctx := context.Background()
	b := start(t, t.TempDir(), "a+ b+ c+")
	b.write(strings.Replace(testConfig, "[a, b, c]", "[c, b, a]", 1))
	if err := b.Reload(ctx, false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.3")

	b.write("zones: [")
	if err := b.Reload(ctx, false); err == nil {
		t.Error("a broken file was taken")
	}
	b.want("www.example.test", "192.0.2.3")
	if s := b.Status(); s.Reload.OK || s.Reload.Problem == "" || !hasAlarm(s, "reload-refused") {
		t.Errorf("the refused reload is not shown: %+v", s.Reload)
	}
	b.monitor.fail = errors.New("no such file: ca.pem")
	b.write(testConfig)
	if err := b.Reload(ctx, false); err == nil {
		t.Error("a configuration that the monitors refuse was taken")
	}
	b.want("www.example.test", "192.0.2.3")
	b.monitor.fail = nil
	if err := b.Reload(ctx, false); err != nil {
		t.Fatal(err)
	}
	b.want("www.example.test", "192.0.2.1")
	if s := b.Status(); !s.Reload.OK || len(s.Alarms) > 0 {
		t.Errorf("after a good reload: %+v, %v", s.Reload, s.Alarms)
	}
}

// Invariant 9: what removes more than a quarter, or a service's every pool,
// needs force.
func TestInvariantDestructiveChangeRefused(t *testing.T) {
	ctx := context.Background()
	b := start(t, t.TempDir(), "a+ b+ c+")
	without := strings.Replace(testConfig, "      - {name: api, pools: [b, c], policy: failover}\n", "", 1)
	b.write(without)
	var refused Refused
	if err := b.Reload(ctx, false); !errors.As(err, &refused) {
		t.Fatalf("half of the services removed: %v", err)
	}
	b.want("api.example.test", "192.0.2.2")
	if err := b.Reload(ctx, true); err != nil {
		t.Fatal(err)
	}
	if e, err := b.Explain("api.example.test", "A", Asker{}); err != nil || e.Rcode != "NXDOMAIN" {
		t.Errorf("after a forced reload: %+v, %v", e, err)
	}
}

// Invariant 10: oversize input is refused, and what ran before goes on.
func TestInvariantOversizeRefused(t *testing.T) {
	b := start(t, t.TempDir(), "a+ b+ c+")
	b.write(testConfig + strings.Repeat("# padding\n", config.MaxFile/10+1))
	if err := b.Reload(context.Background(), true); err == nil {
		t.Error("a file over the limit was taken")
	}
	b.want("www.example.test", "192.0.2.1")
}

// Invariant 16: no pool leads to the name that it steers, not by a detour
// through our own zones or a wildcard either. A static name below a wildcard
// is no circle.
func TestInvariantNoCircularCheck(t *testing.T) {
	for _, c := range []struct{ what, cname, service, want string }{
		{"an alias of the service", "detour.example.test", "www", "detour.example.test. leads to www.example.test."},
		{"a name that the wildcard matches", "any.example.test", `"*"`, "shunt itself steers any.example.test."},
		{"the service itself", "www.example.test", "www", "steered by the service"},
		{"a static name below the wildcard", "cdn.example.test", `"*"`, ""},
		{"a name elsewhere", "www.cdn.test", "www", ""},
	} {
		dir := t.TempDir()
		text := fmt.Sprintf(`
listen: {dns: ["127.0.0.1:5399"], control: shunt.sock}
node: {state_dir: state}
pools: [{name: a, cname: %s}]
zones:
  - {name: example.test, file: example.test.zone, services: [{name: %s, pools: [a], policy: failover}]}
`, c.cname, c.service)
		file := "@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\ndetour 60 CNAME www\ncdn 60 CNAME site.cdn.test.\n"
		if err := os.WriteFile(filepath.Join(dir, "example.test.zone"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse([]byte(text), filepath.Join(dir, "shunt.yaml"), config.Overrides{})
		if err == nil {
			_, err = Load(cfg, nil)
		}
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.what, got, c.want)
		}
	}
}

// A state file that cannot be read is set aside; the node starts without it.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	b.stop()
	path := filepath.Join(dir, "state", stateFile)
	if err := os.WriteFile(path, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, "a+ b+ c+")
	b.want("www.example.test", "192.0.2.1")
	if _, err := os.Stat(path + ".bad"); err != nil {
		t.Error(err)
	}
}

// With a state directory that takes no writes, answers go on moving and the
// status says so.
func TestStateNotSaved(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, "a+ b+ c+")
	b.do(context.Background(), func() error { b.keep.write = store{filepath.Join(dir, "gone", "state.json")}.write; return nil })
	err := b.Override(context.Background(), override("a", health.ForceDown, time.Hour), false)
	if err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("an override that does not survive a restart: %v", err)
	}
	b.want("www.example.test", "192.0.2.2")
	b.answers("")
	if !hasAlarm(b.Status(), "state-not-saved") {
		t.Error("no alarm")
	}
}

// manyServices is a configuration of n services with one policy.
func manyServices(n int) string {
	var s strings.Builder
	s.WriteString("listen: {dns: [\"127.0.0.1:5399\"], control: shunt.sock}\nnode: {state_dir: state}\npools:\n" +
		"  - {name: a, addresses: [192.0.2.1]}\n  - {name: b, addresses: [192.0.2.2]}\nzones:\n  - name: example.test\n    services:\n")
	for i := range n {
		fmt.Fprintf(&s, "      - {name: n%d, pools: [a, b], policy: failover, moves: 0}\n", i)
	}
	return s.String()
}

// BenchmarkFlip measures one changed verdict to the next snapshot, over
// 100,000 services that share a policy.
func BenchmarkFlip(b *testing.B) {
	cfg, err := config.Parse([]byte(manyServices(100_000)), filepath.Join(b.TempDir(), "shunt.yaml"), config.Overrides{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := Load(cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	m := newFakeMonitor()
	m.say("a+ b+")
	c := New(l, &State{}, Deps{Monitor: m, Log: slog.New(slog.DiscardHandler), Publish: func(*zone.Snapshot) {}})
	c.decide(reloaded)
	b.ReportAllocs()
	down := false
	for b.Loop() {
		down = !down
		if down {
			m.say("a- b+")
		} else {
			m.say("a+ b+")
		}
		before := c.gen
		c.decide(probed)
		if c.gen != before+1 {
			b.Fatal("no new snapshot")
		}
	}
}

// What a person reads says so when it rests on frozen states, when services
// share one fate, and when a name is delegated.
func TestWordsForPeople(t *testing.T) {
	dir := t.TempDir()
	zone := "@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\nsub 60 NS ns.elsewhere.\n"
	if err := os.WriteFile(filepath.Join(dir, "example.test.zone"), []byte(zone), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(testConfig, "  - name: example.test\n", "  - name: example.test\n    file: example.test.zone\n", 1)
	text = strings.Replace(text, "{name: api, pools: [b, c]", "{name: api, pools: [a, b, c]", 1)
	if err := os.WriteFile(filepath.Join(dir, "shunt.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, dir, "a+ b+ c+")
	e, err := b.Explain("host.sub.example.test", "A", Asker{})
	if err != nil || !strings.Contains(e.Why, "delegates") || len(e.Referral) != 1 || !strings.Contains(e.Referral[0], "ns.elsewhere.") {
		t.Errorf("a delegated name: %+v, %v", e, err)
	}
	f, err := health.NewFreeze("test", "kim", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Freeze(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	b.say("a- b+ c+")
	if e, err = b.Explain("www.example.test", "A", Asker{}); err != nil || !strings.HasPrefix(e.Why, "frozen: ") {
		t.Errorf("explain during a freeze: %q, %v", e.Why, err)
	}
	s := b.Status()
	if !strings.HasPrefix(s.Services[0].Why, "frozen: ") || hasAlarm(s, "freeze-ending") {
		t.Errorf("status during a freeze: %q, %v", s.Services[0].Why, s.Alarms)
	}
	if err := b.Unfreeze(context.Background(), "kim"); err != nil {
		t.Fatal(err)
	}
	b.say("a- b- c-")
	for _, a := range b.Status().Alarms {
		if a.Code == "fail-open" && !strings.Contains(a.What, "1 service alike") {
			t.Errorf("an alarm for two services: %q", a.What)
		}
	}
}

// An alarm about an end comes near the end, not at the beginning of what is
// short.
func TestEnding(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		lasts, at time.Duration
		want      bool
	}{
		{10 * time.Minute, 0, false},
		{10 * time.Minute, 8 * time.Minute, true},
		{2 * time.Hour, 100 * time.Minute, false},
		{2 * time.Hour, 106 * time.Minute, true},
		{72 * time.Hour, 71 * time.Hour, false},
	} {
		if got := ending(start, start.Add(c.lasts), start.Add(c.at)); got != c.want {
			t.Errorf("%v of %v: %v", c.at, c.lasts, got)
		}
	}
}

// Loading tells how far it is within one large zone too.
func TestLoadTellsProgress(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("@ 60 SOA ns. me. 1 1 1 1 1\n@ 60 NS ns.\n")
	for i := range 50_000 {
		fmt.Fprintf(&text, "n%d 60 A 192.0.2.1\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "big.zone"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse([]byte("zones: [{name: big.test, file: big.zone}]"), filepath.Join(dir, "shunt.yaml"), config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	var told []int
	if _, err := Load(cfg, func(done, all int) {
		if all != 100 {
			t.Errorf("of %d, want percent", all)
		}
		told = append(told, done)
	}); err != nil {
		t.Fatal(err)
	}
	if len(told) < 10 || !slices.IsSorted(told) || told[len(told)-1] != 100 {
		t.Errorf("told %v", told)
	}
}
