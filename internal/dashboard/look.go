package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
)

// An explanation is the body of the page of explain.
type explanation struct {
	Name, Type, Client string
	Types              []string
	Answer             *controller.Explanation // nil before something was asked
	Parts              []part
	Wrong              string
}

// explain is the form that asks what answers whom, and why.
func (b *Dashboard) explain(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	e := explanation{Name: strings.TrimSpace(q.Get("name")), Type: q.Get("type"), Client: strings.TrimSpace(q.Get("client")),
		Types: []string{"A", "AAAA", "CNAME", "HTTPS", "MX", "TXT", "NS", "SOA"}}
	code := http.StatusOK
	if e.Name != "" {
		got, err := ask[*controller.Explanation](b, r, "GET", "/v1/explain?"+asker(e).Encode(), nil)
		if err != nil {
			e.Wrong, code = err.Error(), http.StatusBadRequest
		} else {
			e.Answer = got
			color := colors(b.deps.State.Glance().Pools)
			for _, s := range got.Shares {
				e.Parts = append(e.Parts, part{Pool: s.Pool, Class: color(s.Pool), Percent: s.Percent})
			}
		}
	}
	b.show(w, r, "explain", code, page{Title: "Explain", At: "explain", Body: e})
}

// asker returns whom e is for, as the API wants it: the one field takes an
// address, a country or an AS number.
func asker(e explanation) url.Values {
	q := url.Values{"name": {e.Name}, "type": {e.Type}}
	who := strings.ToUpper(e.Client)
	switch digits := strings.TrimPrefix(who, "AS"); {
	case who == "":
	case digits != who && digits != "" && strings.Trim(digits, "0123456789") == "":
		q.Set("asn", digits)
	case !strings.ContainsAny(who, ".:"):
		q.Set("country", who)
	default:
		q.Set("client", e.Client)
	}
	return q
}

// drills is the page that lists them.
func (b *Dashboard) drills(w http.ResponseWriter, r *http.Request) {
	all, err := ask[[]*drill.Report](b, r, "GET", "/v1/drills", nil)
	if err != nil {
		b.fail(w, r, http.StatusBadGateway, "The drills cannot be listed: "+err.Error(), "")
		return
	}
	b.show(w, r, "drills", http.StatusOK, page{Title: "Drills", At: "drills", Live: true, Body: all})
}

// A drillView is the body of the page of one drill.
type drillView struct {
	*drill.Report
	What  string
	Rows  []drillRow
	Areas area
}

// A drillRow is who was to answer, and who did.
type drillRow struct {
	Pool, Class   string
	Before, After float64
	Came          *drill.Portion // nil while nothing was seen
	Survivor      *drill.Vital   // nil of what was taken away
}

// drill is the report of one.
func (b *Dashboard) drill(w http.ResponseWriter, r *http.Request) {
	d, err := ask[*drill.Report](b, r, "GET", "/v1/drills/"+url.PathEscape(r.PathValue("id")), nil)
	if err != nil {
		b.fail(w, r, http.StatusNotFound, stop(err.Error()), "The list of drills has those that reports are kept of.")
		return
	}
	color := colors(b.deps.State.Glance().Pools)
	v := drillView{Report: d, What: d.Plan.What(), Areas: areas(&d.Series, color)}
	for _, p := range d.Forecast.Pools {
		row := drillRow{Pool: p.Pool, Class: color(p.Pool), Before: p.Before, After: p.After}
		for i := range d.Came {
			if d.Came[i].Pool == p.Pool {
				row.Came = &d.Came[i]
			}
		}
		for i := range d.Survivors {
			if d.Survivors[i].Pool == p.Pool {
				row.Survivor = &d.Survivors[i]
			}
		}
		v.Rows = append(v.Rows, row)
	}
	b.show(w, r, "drill", http.StatusOK, page{Title: "Drill " + d.Plan.ID, At: "drills", Live: d.Outcome == drill.Running, Body: v})
}

// A log is the body of the page of what happened.
type log struct {
	Events []event.Event // the latest first
	Deeds  []admin.Deed  // likewise
	Wrong  string        // why the audit log cannot be shown
}

// mostLog is how many events and deeds the log shows.
const mostLog = 200

// journal is the page of what happened, and of what people did.
func (b *Dashboard) journal(w http.ResponseWriter, r *http.Request) {
	var l log
	if b.deps.Events != nil {
		l.Events = slices.Clone(b.deps.Events(mostLog))
		slices.Reverse(l.Events)
	}
	deeds, err := ask[[]admin.Deed](b, r, "GET", fmt.Sprintf("/v1/log?limit=%d", mostLog), nil)
	if err != nil {
		l.Wrong = err.Error()
	}
	slices.Reverse(deeds)
	l.Deeds = deeds
	b.show(w, r, "log", http.StatusOK, page{Title: "Log", At: "log", Live: true, Body: l})
}

// A probing is the body of the page of what monitors saw just now.
type probing struct {
	Pool    string
	Reports []admin.Report
}

// probe runs the monitors of a pool once, and shows what they see. It moves no
// verdict, so nobody is asked twice.
func (b *Dashboard) probe(w http.ResponseWriter, r *http.Request, f form) {
	reports, err := ask[[]admin.Report](b, r, "POST", "/v1/pools/"+url.PathEscape(f.Pool)+"/probe", nil)
	if err != nil {
		b.fail(w, r, http.StatusBadRequest, stop(err.Error()), "")
		return
	}
	b.show(w, r, "probe", http.StatusOK, page{Title: "Probe of " + f.Pool, At: "pools", Body: probing{f.Pool, reports}})
}

// A login is the body of the page that asks who looks on.
type login struct{ Action, Next, Wrong string }

// logIn is the form that asks for a token.
func (b *Dashboard) logIn(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	l := login{Action: "/login", Next: admin.Local(q.Get("next"))}
	if b.viewer(r).Known {
		http.Redirect(w, r, l.Next, http.StatusSeeOther)
		return
	}
	if q.Get("wrong") != "" {
		l.Wrong = "This token is not known here, or has ended."
	}
	b.show(w, r, "login", http.StatusOK, page{Title: "Log in", Body: l})
}
