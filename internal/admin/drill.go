package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/drill"
)

// latest stands in a path for the drill that runs, or the latest one.
const latest = "latest"

// A DrillRequest is the body of POST /v1/drills.
type DrillRequest struct {
	Pools    []string `json:"pools"`
	For      string   `json:"for"`                // as the configuration writes durations; 1s to 72h
	Share    float64  `json:"share,omitempty"`    // above 0, at most 1, the default
	Services []string `json:"services,omitempty"` // default: all that have one of the pools
	Clients  []string `json:"clients,omitempty"`  // networks, countries and other places; default: everyone
	AbortIf  []string `json:"abort_if,omitempty"` // see config.ParseAbort
	Reason   string   `json:"reason"`
	Author   string   `json:"author,omitempty"`  // default: the user at the other end of the socket
	DryRun   bool     `json:"dry_run,omitempty"` // only say what would be
	Anyway   bool     `json:"anyway,omitempty"`  // overrules guards: the command line's --force
}

// A DrillAnswer is the answer to POST /v1/drills. A drill that is refused is
// one too, where it is only asked what would be.
type DrillAnswer struct {
	*drill.Report
	DryRun bool `json:"dry_run"`
}

func (s *Server) startDrill(r *http.Request) (any, error) {
	var q DrillRequest
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	p := drill.Plan{Pools: q.Pools, Share: q.Share, Clients: q.Clients, AbortIf: q.AbortIf, Reason: q.Reason, Author: q.Author, Began: time.Now()}
	p.Author = author(r, p.Author)
	if p.Share == 0 {
		p.Share = 1
	}
	lasts, err := config.ParseDuration(q.For)
	if err != nil {
		return nil, fmt.Errorf("for: %w", err)
	}
	p.Ends = p.Began.Add(lasts)
	for _, text := range q.Services {
		name, err := config.ParseName(text)
		if err != nil {
			return nil, fmt.Errorf("services: %q: %w", text, err)
		}
		p.Services = append(p.Services, name)
	}
	report, err := s.Controller.DrillStart(r.Context(), p, q.Anyway, q.DryRun)
	if q.DryRun && report != nil {
		return DrillAnswer{whole(report), true}, nil
	}
	if err != nil {
		return nil, err
	}
	return DrillAnswer{whole(report), false}, nil
}

// whole returns r with every list in it a list, also where it is empty.
func whole(r *drill.Report) *drill.Report {
	out := *r
	list(&out.Plan.Pools)
	list(&out.Names)
	list(&out.Forecast.Pools)
	list(&out.Forecast.Notes)
	list(&out.Came)
	list(&out.Events)
	list(&out.Series.At)
	list(&out.Series.Pools)
	list(&out.Series.Answers)
	list(&out.Survivors)
	if out.Previous != nil {
		p := *out.Previous
		list(&p.Latency)
		list(&p.Came)
		out.Previous = &p
	}
	return &out
}

// list makes nothing an empty list.
func list[T any](s *[]T) {
	if *s == nil {
		*s = []T{}
	}
}

func (s *Server) drills(*http.Request) (any, error) {
	all := s.Controller.Drills()
	for i := range all {
		all[i] = whole(all[i])
	}
	return all, nil
}

func (s *Server) drill(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == latest {
		id = ""
	}
	report, err := s.Controller.Drill(id)
	if err == nil && report == nil {
		err = fmt.Errorf("there is no drill %s (shunt drill list)", r.PathValue("id"))
		if id == "" {
			err = errors.New("there was no drill yet")
		}
	}
	if err != nil {
		return nil, err
	}
	return whole(report), nil
}

func (s *Server) stopDrill(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == latest {
		id = ""
	}
	report, err := s.Controller.DrillStop(r.Context(), id, author(r, ""))
	if err != nil {
		return nil, err
	}
	return whole(report), nil
}

// StartDrill begins a drill, or says what would be.
func (c *Client) StartDrill(ctx context.Context, q DrillRequest) (DrillAnswer, error) {
	return call[DrillAnswer](ctx, c, "POST", "/v1/drills", q)
}

// StopDrill ends the drill id; the one that runs where id is "".
func (c *Client) StopDrill(ctx context.Context, id string) (*drill.Report, error) {
	return call[*drill.Report](ctx, c, "DELETE", drillPath(id), nil)
}

// Drills lists the drills, the latest first, without their measurements.
func (c *Client) Drills(ctx context.Context) ([]*drill.Report, error) {
	return call[[]*drill.Report](ctx, c, "GET", "/v1/drills", nil)
}

// Drill returns the report of the drill id; of the latest where id is "".
func (c *Client) Drill(ctx context.Context, id string) (*drill.Report, error) {
	return call[*drill.Report](ctx, c, "GET", drillPath(id), nil)
}

func drillPath(id string) string {
	if id == "" {
		id = latest
	}
	return "/v1/drills/" + url.PathEscape(id)
}
