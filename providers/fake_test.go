package providers_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A fake is an account at a provider with one zone, example.com, and the
// servers that serve it.
type fake struct {
	mu     sync.Mutex
	sets   []plan.RRset
	served []plan.RRset // by its servers; nil: as sets
	calls  []string     // by name, in order
	fail   func(call string) error
	refuse func(c plan.Change) error // a change that it cannot make
	lost   int                       // writes that it accepts and forgets
	floor  uint32                    // TTL that it raises others to
	able   kind.Abilities
	writes int
	shows  []plan.RRset // what reads show for a while; nil: sets
	stale  int          // reads that show that
	after  int          // reads that come before those

	mix func(now []plan.RRset) []plan.RRset // what they show of what is there; nil: shows
}

// began notes a call, and fails it where that was ordered. It is called
// without the lock: a call that hangs keeps nobody else from being answered.
func (f *fake) began(ctx context.Context, call string) error {
	if err := kind.Pace(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		return fail(call)
	}
	return nil
}

func (f *fake) GetRecords(ctx context.Context, origin string) ([]libdns.Record, error) {
	if err := f.began(ctx, "get"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []libdns.Record
	shown := f.sets
	switch {
	case f.stale > 0 && f.after > 0:
		f.after--
	case f.stale > 0 && f.mix != nil:
		f.stale--
		shown = f.mix(f.sets)
	case f.stale > 0:
		f.stale--
		shown = f.shows
	}
	for _, s := range shown {
		out = append(out, kind.Records(origin, s)...)
	}
	return out, nil
}

func (f *fake) SetRecords(ctx context.Context, origin string, recs []libdns.Record) ([]libdns.Record, error) {
	if err := f.began(ctx, "set"); err != nil {
		return nil, err
	}
	sets, err := kind.RRsets(origin, recs)
	for _, s := range sets {
		f.replace(s, false)
	}
	return recs, err
}

func (f *fake) DeleteRecords(ctx context.Context, origin string, recs []libdns.Record) ([]libdns.Record, error) {
	if err := f.began(ctx, "delete"); err != nil {
		return nil, err
	}
	sets, err := kind.RRsets(origin, recs)
	for _, s := range sets {
		f.replace(s, true)
	}
	return recs, err
}

func (f *fake) replace(s plan.RRset, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost > 0 {
		f.lost--
		return
	}
	s.TTL = max(s.TTL, f.floor)
	f.sets = slices.DeleteFunc(slices.Clone(f.sets), func(x plan.RRset) bool { return x.Name == s.Name && x.Type == s.Type })
	if !gone {
		f.sets = append(f.sets, s)
	}
}

func (f *fake) Abilities() kind.Abilities { return f.able }

// An atomic fake takes several changes at once, and compares.
type atomicFake struct{ *fake }

func (f atomicFake) Apply(ctx context.Context, origin string, changes []plan.Change) error {
	if err := f.began(ctx, "apply"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.lost > 0 {
		f.lost--
		return nil
	}
	for _, c := range changes {
		if f.refuse != nil {
			if err := f.refuse(c); err != nil {
				return err
			}
		}
	}
	after, ok := plan.Apply(f.sets, changes)
	if !ok {
		return fmt.Errorf("%w", kind.ErrStale)
	}
	f.sets = after
	return nil
}

// A draft fake has a publish step, and zones with a lowest TTL of their own.
type draftFake struct{ atomicFake }

func (f draftFake) Publish(ctx context.Context, _ string) error {
	if err := f.began(ctx, "publish"); err != nil {
		return err
	}
	f.set(func(f *fake) { f.served = slices.Clone(f.sets) })
	return nil
}

func (f draftFake) Floor(ctx context.Context, _ string) (time.Duration, error) {
	return time.Minute, f.began(ctx, "floor")
}

func atomicAbilities() kind.Abilities {
	return kind.Abilities{Atomic: true, Expects: true, Batch: 100, Types: []string{"HTTPS"}}
}

// of returns what is at name, as "A 192.0.2.1"; marks are left out.
func (f *fake) of(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return listed(f.sets, name)
}

func listed(sets []plan.RRset, name string) string {
	var out []string
	for _, s := range sets {
		if s.Name == name {
			out = append(out, s.Type+" "+strings.Join(s.Data, ","))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (f *fake) put(t *testing.T, name, typ, data string) {
	t.Helper()
	s, err := plan.New(name, typ, 30, strings.Split(data, ","))
	if err != nil {
		t.Fatal(err)
	}
	f.replace(s, false)
}

func (f *fake) count(call string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// answer is the fake's servers: Deps.Ask.
func (f *fake) answer(name string, qtype uint16) *dns.Msg {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Authoritative = true
	served := f.sets
	if f.served != nil {
		served = f.served
	}
	for _, s := range served {
		for _, data := range s.Data {
			if s.Name == name && s.Type == dns.TypeToString[qtype] {
				rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, data))
				if err != nil {
					panic(err)
				}
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	return m
}

// A source says what is answered: "www A 192.0.2.1; api A …".
type source struct {
	generation uint64
	text       string
}

func (s *source) Generation() uint64 { return s.generation }

func (s *source) Service(name string, _ config.Content) (out []zone.RRset) {
	for part := range strings.SplitSeq(s.text, ";") {
		f := strings.Fields(part)
		if len(f) != 3 || f[0]+".example.com." != name {
			continue
		}
		set := zone.RRset{Name: name, Type: dns.StringToType[f[1]], TTL: 30}
		for data := range strings.SplitSeq(f[2], ",") {
			rr, err := dns.NewRR(name + " 30 IN " + f[1] + " " + data)
			if err != nil {
				panic(err)
			}
			set.Records = append(set.Records, rr)
		}
		out = append(out, set)
	}
	return out
}

// A stage is a Keeper among fakes, which are called as their providers are.
type stage struct {
	t      *testing.T
	keeper *providers.Keeper
	fakes  map[string]*fake
	dir    string
	cfg    *config.Config
	gen    uint64
	ask    func(server, name string, qtype uint16, recurse bool) (*dns.Msg, error) // nil: the fakes answer
	write  func(path string, text []byte) error                                    // nil: the disk works

	mu     sync.Mutex
	events []string
	end    context.CancelFunc
	ended  chan struct{}
}

// conf returns a configuration with services in example.com, and a provider for
// each fake.
func conf(services string, names ...string) *config.Config {
	cfg := &config.Config{Node: config.Node{Name: "ns1"}}
	z := config.Zone{Name: "example.com."}
	for s := range strings.FieldsSeq(services) {
		z.Services = append(z.Services, config.Service{Name: s + ".example.com."})
	}
	cfg.Zones = []config.Zone{z}
	for _, name := range names {
		cfg.Providers = append(cfg.Providers, config.Provider{Name: name, Kind: "fake", Owner: "shunt", Content: config.OnePool, Changes: 1000, Deletes: 10,
			Drift: config.RepairDrift, Every: 10 * time.Minute, Servers: []string{name + ":53"}, VerifyFor: 2 * time.Minute})
	}
	return cfg
}

func newStage(t *testing.T, cfg *config.Config, fakes map[string]*fake) *stage {
	t.Helper()
	return (&stage{t: t, fakes: fakes, dir: t.TempDir(), cfg: cfg}).start()
}

// start starts a Keeper, as another process on the same directory does.
func (s *stage) start() *stage {
	s.t.Helper()
	keeper, err := providers.New(s.cfg, providers.Deps{
		Dir: s.dir, Log: slog.New(slog.DiscardHandler), Write: s.write,
		Event: func(e event.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e.What)
		},
		Open: func(p config.Provider) (kind.Provider, error) {
			f := s.fakes[p.Name]
			if f.able.Publish {
				return draftFake{atomicFake{f}}, nil
			}
			if f.able.Atomic {
				return atomicFake{f}, nil
			}
			return f, nil
		},
		Ask: func(_ context.Context, server, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
			if s.ask != nil {
				return s.ask(server, name, qtype, recurse)
			}
			return s.fakes[strings.TrimSuffix(server, ":53")].answer(name, qtype), nil
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.keeper = keeper
	ctx, end := context.WithCancel(s.t.Context())
	s.end, s.ended = end, make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = keeper.Run(ctx)
	}()
	return s
}

// stop ends the Keeper.
func (s *stage) stop() {
	s.end()
	<-s.ended
}

// answers publishes what is answered from now on.
func (s *stage) answers(text string) {
	s.gen++
	s.keeper.Publish(&source{s.gen, text})
}

func (s *stage) state(name string) providers.Status {
	for _, st := range s.keeper.Status() {
		if st.Name == name {
			return st
		}
	}
	return providers.Status{}
}

// has fails unless the provider has this at www.
func (s *stage) has(provider, want string) {
	s.t.Helper()
	if got := s.fakes[provider].of("www.example.com."); got != want {
		s.t.Errorf("%s has %q, want %q", provider, got, want)
	}
}

// is fails unless the provider is in this state.
func (s *stage) is(provider string, want providers.State) {
	s.t.Helper()
	if got := s.state(provider); got.State != want {
		s.t.Errorf("%s is %s (%s), want %s", provider, got.State, got.Why, want)
	}
}

// alarms returns the codes of the conditions.
func (s *stage) alarms() string {
	var out []string
	for _, c := range s.keeper.Conditions() {
		out = append(out, c.Code)
	}
	return strings.Join(out, " ")
}
