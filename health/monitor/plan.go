package monitor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"reflect"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// A check is one monitor, ready to run. It is immutable.
type check struct {
	def config.Monitor
	th  health.Thresholds
	ask Probe
	sum string // of the question, to know it again after a restart
}

// A plan is a configuration, ready to run. It is immutable, so that
// [Runner.ProbeNow] may read it while the owner works.
type plan struct {
	cfg    *config.Config
	checks map[string]*check // by monitor name
}

// newPlan makes the probes of cfg. They are made anew at each reload, since
// the files that they read may have changed.
func newPlan(cfg *config.Config, d Deps) (*plan, error) {
	p := &plan{cfg: cfg, checks: make(map[string]*check, len(cfg.Monitors))}
	for _, m := range cfg.Monitors {
		ask, err := d.Probe(m)
		if err != nil {
			return nil, err
		}
		p.checks[m.Name] = &check{def: m, th: thresholds(m), ask: ask, sum: sum(m)}
	}
	return p, nil
}

// checksOf returns the checks of a pool, in its order.
func (p *plan) checksOf(pool config.Pool) []*check {
	cs := make([]*check, 0, len(pool.Monitors))
	for _, name := range pool.Monitors {
		if c := p.checks[name]; c != nil {
			cs = append(cs, c)
		}
	}
	return cs
}

// pool returns the definition of the pool named name.
func (p *plan) pool(name string) (config.Pool, bool) {
	for _, pool := range p.cfg.Pools {
		if pool.Name == name {
			return pool, true
		}
	}
	return config.Pool{}, false
}

// longestTimeout returns the timeout of the slowest check.
func (p *plan) longestTimeout() time.Duration {
	longest := time.Duration(0)
	for _, c := range p.checks {
		longest = max(longest, c.def.Timeout)
	}
	if longest == 0 {
		return plainLookup.def.Timeout
	}
	return longest
}

// plainLookup looks up the host names of pools without monitors.
var plainLookup = &check{
	def: config.Monitor{Interval: 5 * time.Second, Timeout: 3 * time.Second, Recheck: 100 * time.Millisecond},
	th:  health.Thresholds{Fall: 3, Rise: 2},
}

const (
	leastLookup = time.Second     // between look-ups of one name
	mostLookup  = time.Minute     // between look-ups of one name
	briskLookup = 5 * time.Second // a TTL shorter than this asks no sooner
)

// lookupInterval returns the time between look-ups of a name with addresses
// that live for ttl (0: not known), for a pool that is probed every interval:
// before each round, but not more than once a second, and at least once a
// minute or as often as its TTL asks.
func lookupInterval(interval, ttl time.Duration) time.Duration {
	if ttl > 0 {
		interval = min(interval, max(ttl, briskLookup))
	}
	return max(leastLookup, min(interval, mostLookup))
}

// thresholds returns what m says about the counting of results.
func thresholds(m config.Monitor) health.Thresholds {
	return health.Thresholds{
		Fall: m.Fall, Rise: m.Rise,
		Window: m.Window, WindowFall: m.WindowFall,
		HoldDown: m.HoldDown, HoldDownMax: m.HoldDownMax,
	}
}

// sameMonitor reports whether a and b ask the same question in the same way.
// Schedule and thresholds may differ: they do not change what a result means.
func sameMonitor(a, b config.Monitor) bool {
	return reflect.DeepEqual(question(a), question(b))
}

// question returns what m asks, in a form that can be compared: compiled
// expressions are left to their texts.
func question(m config.Monitor) config.Monitor {
	m.HTTP.Body = textOnly(m.HTTP.Body)
	m.TCP.Expect = textOnly(m.TCP.Expect)
	m.Timeout, m.Interval, m.Recheck = 0, 0, 0
	m.Watch, m.HTTP.Resume = false, 0
	m.Fall, m.Rise, m.Window, m.WindowFall = 0, 0, 0, 0
	m.HoldDown, m.HoldDownMax = 0, 0
	return m
}

// sum returns a digest of what m asks.
func sum(m config.Monitor) string {
	text, err := json.Marshal(question(m))
	if err != nil {
		panic(err) // a Monitor is plain data
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:8])
}

// asked says in short what a verdict about addr of pool under c is about: the
// path, and the question. The zero addr stands for the look-up.
func asked(pool config.Pool, c *check, addr netip.Addr) string {
	if !addr.IsValid() {
		return pool.CNAME
	}
	return pool.CNAME + " " + c.sum
}

// textOnly returns m without its compiled form.
func textOnly(m config.Match) config.Match {
	if m.Regexp != nil {
		return config.Match{Text: "/" + m.Regexp.String() + "/"}
	}
	return m
}
