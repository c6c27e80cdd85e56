package dashboard

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/controller"
)

// How much the overview shows before it leads to a page of its own.
const (
	fewAlarms   = 20
	fewServices = 12
	fewPools    = 24
	fewLanes    = 12
	fewEvents   = 14
	perPage     = 50
	endpoints   = 20   // of a pool in a list
	allAtOnce   = 1000 // on its own page
)

// A glance is the body of the overview.
type glance struct {
	Status   *controller.Status
	Rate     rate
	Alarms   []controller.Alarm
	More     int                     // alarms that are not shown
	Forced   []controller.PoolStatus // pools with an override
	Services serviceTable
	Pools    poolTable
	Timeline timeline
	Remote   []Remote
	Quiet    bool // nothing is in force by hand
}

// overview is the page that says how everything is.
func (b *Dashboard) overview(w http.ResponseWriter, r *http.Request) {
	s := b.deps.State.Glance()
	alarms := unseen(s.Alarms)
	g := glance{Status: s, Rate: b.samples.rates(), Alarms: alarms[:min(len(alarms), fewAlarms)], Timeline: b.timeline(s)}
	g.More = len(alarms) - len(g.Alarms)
	for _, p := range s.Pools {
		if p.Override != nil {
			g.Forced = append(g.Forced, p)
		}
	}
	g.Quiet = len(g.Forced) == 0 && s.Frozen == nil && len(s.Drills) == 0
	g.Services = b.serviceTable(s, g.Rate, controller.Want{Together: true, Most: fewServices}, nil)
	g.Pools = b.poolTable(s, worstFirst(s.Pools), fewPools)
	if b.deps.Remote != nil {
		g.Remote = b.deps.Remote()
	}
	b.show(w, r, "overview", http.StatusOK, page{Title: "Overview", At: "overview", Live: true, Body: g})
}

// unseen returns the alarms that are not about what is in force by hand, which
// the overview shows with its own words.
func unseen(alarms []controller.Alarm) []controller.Alarm {
	return slices.DeleteFunc(slices.Clone(alarms), func(a controller.Alarm) bool { return a.Code == "frozen" || a.Code == "drill-running" })
}

// A serviceTable is a part of the services.
type serviceTable struct {
	Rows      []serviceRow
	Found     int
	All       int
	Measured  bool // answers of the last seconds are counted
	Query     controller.Want
	Page      int
	Pages     int
	Prev      string // address of the page before; "" on the first
	Next      string
	PoolNames []string
}

// A serviceRow is a service, or those that share its decisions.
type serviceRow struct {
	controller.Listed
	Decided []part  // as decided for clients of whom nothing is known
	Now     []part  // as measured; nil where nothing was
	Rate    float64 // answers a second, of all that share its decisions
	Level   string
}

// serviceTable draws up the services that want says.
func (b *Dashboard) serviceTable(s *controller.Status, rates rate, want controller.Want, at *url.URL) serviceTable {
	l := b.deps.State.List(want)
	t := serviceTable{Found: l.Found, All: l.All, Measured: rates.Seconds > 0, Query: want}
	color := colors(s.Pools)
	for _, v := range l.Services {
		row := serviceRow{Listed: v, Level: "good"}
		for _, share := range v.Shares {
			row.Decided = append(row.Decided, part{Pool: share.Pool, Class: color(share.Pool), Percent: share.Percent})
		}
		row.Now, row.Rate = measured(rates.Steered[v.Like], color)
		if v.FailOpen || len(v.Answering) == 0 {
			row.Level = "bad"
		}
		t.Rows = append(t.Rows, row)
	}
	if at != nil {
		t.Page, t.Pages = want.From/perPage+1, max(1, (l.Found+perPage-1)/perPage)
		t.Prev, t.Next = pages(at, t.Page, t.Pages)
		for _, p := range s.Pools {
			t.PoolNames = append(t.PoolNames, p.Name)
		}
	}
	return t
}

// measured returns the parts of what pools answered, the largest first, and
// their sum a second.
func measured(by map[string]float64, color func(string) string) (parts []part, sum float64) {
	for _, f := range by {
		sum += f
	}
	for _, pool := range slices.SortedFunc(maps.Keys(by), func(x, y string) int { return cmp.Or(cmp.Compare(by[y], by[x]), cmp.Compare(x, y)) }) {
		parts = append(parts, part{pool, color(pool), 100 * by[pool] / sum, by[pool]})
	}
	return parts, sum
}

// colors returns the class of each pool's color: the place of the pool in the
// configuration, so that it stays.
func colors(pools []controller.PoolStatus) func(string) string {
	at := make(map[string]int, len(pools))
	for i := range pools {
		at[pools[i].Name] = i
	}
	return func(pool string) string { return "p" + strconv.Itoa(at[pool]%8) }
}

// pages returns the addresses of the pages beside at.
func pages(at *url.URL, page, all int) (prev, next string) {
	to := func(n int) string {
		q := at.Query()
		q.Del("done")
		q.Set("page", strconv.Itoa(n))
		return at.Path + "?" + q.Encode()
	}
	if page > 1 {
		prev = to(page - 1)
	}
	if page < all {
		next = to(page + 1)
	}
	return prev, next
}

// A poolTable is a part of the pools.
type poolTable struct {
	Rows  []poolRow
	Found int
	All   int
	Query string
	Page  int
	Pages int
	Prev  string
	Next  string
	Path  string
}

// A poolRow is one pool.
type poolRow struct {
	controller.PoolStatus
	Class   string  // of its color
	Latency float64 // in milliseconds; 0: unknown
	Trend   template.HTML
	Up      int
	Shown   []controller.EndpointStatus // of its endpoints, those that are not up first
	More    int                         // that are not shown
	Cert    *certificate                // the one that ends first
	Level   string
	Note    string // what a person should know of its state
}

// A certificate says how long one lasts.
type certificate struct {
	Days  int
	Ends  time.Time
	Level string
}

// poolTable draws up the first most of pools.
func (b *Dashboard) poolTable(s *controller.Status, pools []controller.PoolStatus, most int) poolTable {
	t := poolTable{Found: len(pools), All: len(s.Pools)}
	color, warned := colors(s.Pools), certAlarms(s.Alarms)
	for _, p := range pools[:min(len(pools), most)] {
		t.Rows = append(t.Rows, b.poolRow(p, color(p.Name), warned, endpoints))
	}
	return t
}

// certAlarms returns the alarms about certificates by what they are about.
func certAlarms(alarms []controller.Alarm) map[string]bool {
	out := map[string]bool{}
	for _, a := range alarms {
		if a.Code == "certificate-ending" {
			out[a.Subject] = true
		}
	}
	return out
}

// poolRow draws up one pool, with most of its endpoints.
func (b *Dashboard) poolRow(p controller.PoolStatus, class string, warned map[string]bool, most int) poolRow {
	row := poolRow{PoolStatus: p, Class: class, Latency: latency(&p), Trend: spark(b.samples.trend(p.Name)), Level: "good", Note: b.note(&p)}
	for _, e := range p.Endpoints {
		if e.State == up {
			row.Up++
		}
		if e.CertEnd == nil {
			continue
		}
		c := &certificate{Days: int(e.CertEnd.Sub(b.deps.Now()) / (24 * time.Hour)), Ends: *e.CertEnd, Level: "good"}
		if warned[p.Name+" "+e.Addr] {
			c.Level = "warn"
		}
		if row.Cert == nil || c.Ends.Before(row.Cert.Ends) {
			row.Cert = c
		}
	}
	for _, isUp := range []bool{false, true} {
		for _, e := range p.Endpoints {
			if (e.State == up) == isUp && len(row.Shown) < most {
				row.Shown = append(row.Shown, e)
			}
		}
	}
	row.More = len(p.Endpoints) - len(row.Shown)
	switch {
	case p.State == down:
		row.Level = "bad"
	case p.State != up, p.Waits != "", p.Held != "", p.Override != nil, p.Drill != "", p.Frozen != "", row.Up < len(p.Endpoints):
		row.Level = "warn"
	}
	return row
}

// note says what is behind the state of p; "" for a pool that is simply up.
func (b *Dashboard) note(p *controller.PoolStatus) string {
	var words []string
	say := func(text string) { words = append(words, text) }
	if p.State != up && p.Reason != "" {
		say(p.Reason)
	}
	if p.Rising > 0 {
		say(count(p.Rising, "success", "successes") + " in a row")
	}
	if p.HoldUntil != nil && p.HoldUntil.After(b.deps.Now()) {
		say("held down for " + age(p.HoldUntil.Sub(b.deps.Now())))
	}
	switch {
	case p.Waits != "" && p.WaitsUntil != nil:
		say("waits to be let back in " + age(p.WaitsUntil.Sub(b.deps.Now())))
	case p.Waits != "":
		say("waits to be let back " + p.Waits)
	}
	if p.Held != "" {
		say(p.Held)
	}
	return strings.Join(words, "; ")
}

// worstFirst returns pools with those first that a person should look at, else
// in the order of the configuration.
func worstFirst(pools []controller.PoolStatus) []controller.PoolStatus {
	rank := func(p *controller.PoolStatus) int {
		switch {
		case p.State == down:
			return 0
		case p.State != up || p.Override != nil || p.Drill != "" || p.Waits != "" || p.Held != "":
			return 1
		}
		return 2
	}
	if len(pools) <= fewPools {
		return pools // all are seen: they keep their places
	}
	out := slices.Clone(pools)
	slices.SortStableFunc(out, func(a, b controller.PoolStatus) int { return rank(&a) - rank(&b) })
	return out
}
