package dashboard

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
)

// pageOf returns which page r asks for, from 1.
func pageOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// services is the page that lists them all, or those that are looked for.
func (b *Dashboard) services(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	want := controller.Want{Text: strings.TrimSpace(q.Get("q")), Like: q.Get("like"), Pool: q.Get("pool"), Trouble: q.Get("trouble") != "",
		From: (pageOf(r) - 1) * perPage, Most: perPage}
	s := b.deps.State.Glance()
	b.show(w, r, "services", http.StatusOK, page{Title: "Services", At: "services", Live: true,
		Body: b.serviceTable(s, b.samples.rates(), want, r.URL)})
}

// poolList is the page that lists all pools, or those that are looked for.
func (b *Dashboard) poolList(w http.ResponseWriter, r *http.Request) {
	s, text := b.deps.State.Glance(), strings.TrimSpace(r.URL.Query().Get("q"))
	var found []controller.PoolStatus
	for _, p := range worstFirst(s.Pools) {
		if strings.Contains(strings.ToLower(p.Name+" "+p.Operator+" "+p.State), strings.ToLower(text)) {
			found = append(found, p)
		}
	}
	at := pageOf(r)
	t := b.poolTable(s, found[min(len(found), (at-1)*perPage):], perPage)
	t.Found, t.Query, t.Page, t.Pages = len(found), text, at, max(1, (len(found)+perPage-1)/perPage)
	t.Prev, t.Next = pages(r.URL, t.Page, t.Pages)
	b.show(w, r, "pools", http.StatusOK, page{Title: "Pools", At: "pools", Live: true, Body: t})
}

// A serviceView is the body of the page of one service.
type serviceView struct {
	Row     serviceRow
	Regions []region
	World   template.HTML
	Alike   int // others that share its decisions
	Seconds int // over which answers were measured
}

// A region is countries that are answered alike.
type region struct {
	Parts    []part
	Where    []string // whole continents by their names, then codes of countries
	Count    int      // of countries
	FailOpen bool
}

// places returns countries (of codes, sorted) in fewer words: continents that
// are whole among them by their names.
func places(countries []string) []string {
	have, all := map[string]int{}, map[string]int{}
	for _, c := range countries {
		have[config.ContinentOf(c)]++
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			all[config.ContinentOf(string([]rune{a, b}))]++
		}
	}
	var whole, single []string
	for _, c := range []struct{ code, name string }{{"AF", "all of Africa"}, {"AN", "all of Antarctica"}, {"AS", "all of Asia"}, {"EU", "all of Europe"},
		{"NA", "all of North America"}, {"OC", "all of Oceania"}, {"SA", "all of South America"}} {
		if have[c.code] == all[c.code] {
			whole = append(whole, c.name)
		}
	}
	for _, c := range countries {
		if in := config.ContinentOf(c); have[in] < all[in] {
			single = append(single, c)
		}
	}
	return append(whole, single...)
}

// service is the page of one service.
func (b *Dashboard) service(w http.ResponseWriter, r *http.Request) {
	name := strings.ToLower(r.PathValue("name"))
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	s := b.deps.State.Glance()
	t := b.serviceTable(s, b.samples.rates(), controller.Want{Text: name, Like: name, Most: 1000}, nil)
	i := slices.IndexFunc(t.Rows, func(row serviceRow) bool { return row.Name == name })
	if i < 0 {
		b.fail(w, r, http.StatusNotFound, "There is no service "+host(name)+".", "The list of services has those there are.")
		return
	}
	v := serviceView{Row: t.Rows[i], Seconds: window, Alike: b.deps.State.List(controller.Want{Like: name}).Found - 1}
	color := colors(s.Pools)
	regions := b.deps.State.Regions(name)
	for _, g := range regions {
		x := region{FailOpen: g.FailOpen, Where: places(g.Countries), Count: len(g.Countries)}
		for _, share := range g.Shares {
			x.Parts = append(x.Parts, part{Pool: share.Pool, Class: color(share.Pool), Percent: share.Percent})
		}
		v.Regions = append(v.Regions, x)
	}
	v.World = world(regions, color)
	b.show(w, r, "service", http.StatusOK, page{Title: host(name), At: "services", Live: true, Body: v})
}

// A poolView is the body of the page of one pool.
type poolView struct {
	Row      poolRow
	Lane     lane
	Services int // that it answers for now
	Drills   []controller.DrillStatus
	Form     form
}

// pool is the page of one pool.
func (b *Dashboard) pool(w http.ResponseWriter, r *http.Request) {
	s := b.deps.State.Glance()
	i := slices.IndexFunc(s.Pools, func(p controller.PoolStatus) bool { return p.Name == r.PathValue("name") })
	if i < 0 {
		b.fail(w, r, http.StatusNotFound, "There is no pool "+r.PathValue("name")+".", "The list of pools has those there are.")
		return
	}
	p := s.Pools[i]
	v := poolView{Row: b.poolRow(p, colors(s.Pools)(p.Name), certAlarms(s.Alarms), allAtOnce), Form: form{Pool: p.Name, For: "1h"}}
	v.Services = b.deps.State.List(controller.Want{Pool: p.Name}).Found
	for _, d := range s.Drills {
		if slices.Contains(d.Pools, p.Name) {
			v.Drills = append(v.Drills, d)
		}
	}
	b.show(w, r, "pool", http.StatusOK, page{Title: p.Name, At: "pools", Live: true, Body: v})
}
