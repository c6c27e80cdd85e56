package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/dashboard"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// dashboard gives api its pages, where somebody can see them. What the pages
// measure is measured under g.
func (n *Node) dashboard(ctx context.Context, g *errgroup.Group, api *admin.Server) {
	if len(n.web) == 0 {
		return
	}
	pages, err := dashboard.New(dashboard.Deps{State: n.ctl, API: api.API(), Queries: n.dns.Stats, Events: n.events.Latest, Stream: "/v1/events",
		Remote: n.remote, Log: n.opts.Log, Version: n.opts.Version})
	if err != nil {
		g.Go(func() error { return err })
		return
	}
	api.Pages = pages
	g.Go(func() error { return pages.Run(ctx) })
}

// remote lists the servers elsewhere that are kept in step, or told of alarms.
func (n *Node) remote() []dashboard.Remote {
	var out []dashboard.Remote
	for _, s := range n.primary.Status() {
		out = append(out, secondary(s))
	}
	generation := n.ctl.Glance().Generation
	for _, p := range n.providers.Status() {
		out = append(out, provider(p, generation))
	}
	for _, r := range n.teller.Status() {
		out = append(out, route(r))
	}
	return out
}

// route says how those are told who want to hear of alarms.
func route(s alert.Status) dashboard.Remote {
	r := dashboard.Remote{Kind: "alerts", Name: s.Name, What: s.Kind, State: s.State, Level: "good", Why: s.Why}
	switch s.State {
	case "failing":
		r.Level = "bad"
	case "waiting":
		r.Level = "warn"
	}
	if s.Since != nil {
		r.Since = *s.Since
	}
	if s.Pending > 0 {
		r.Lag = fmt.Sprintf("%d not told yet", s.Pending)
	}
	return r
}

// provider says how p is, for people, while the snapshot of a generation is
// answered.
func provider(p providers.Status, generation uint64) dashboard.Remote {
	r := dashboard.Remote{Kind: "provider", Name: p.Name, What: p.Kind, State: string(p.State), Level: "warn", Since: p.Since, Why: p.Why}
	switch p.State {
	case providers.InStep:
		r.Level = "good"
	case providers.Failing, providers.Denied:
		r.Level = "bad"
	}
	if p.Waiting > 0 {
		r.Lag = fmt.Sprintf("%d of %d names wait", p.Waiting, p.Names)
	}
	if r.Level != "good" && p.Verified < generation {
		r.Lag = strings.TrimPrefix(fmt.Sprintf("%s; serves generation %d", r.Lag, p.Verified), "; ")
	}
	return r
}

// secondary says how s is, for people.
func secondary(s xfr.Secondary) dashboard.Remote {
	r := dashboard.Remote{Kind: "secondary", Name: s.Name, What: fmt.Sprintf("%d zones", s.Zones), State: s.State, Level: "warn", Why: s.Error}
	if s.Zones == 1 {
		r.What = "1 zone"
	}
	if s.Since != nil {
		r.Since = *s.Since
	}
	switch s.State {
	case "in step":
		r.Level = "good"
	case "behind", "silent":
		r.Level = "bad"
	}
	if s.Lag > 0 {
		r.Lag = time.Duration(s.Lag * float64(time.Second)).Round(time.Second).String()
	}
	return r
}
