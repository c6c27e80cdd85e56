package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/shunt-dns/shunt/internal/alert"
)

// A Tried says what came of a test of one route.
type Tried struct {
	Route string `json:"route"`
	OK    bool   `json:"ok"`            // the receiver took it
	Why   string `json:"why,omitempty"` // it did not
}

// alertRoutes says how each route is by which people hear of alarms.
func (s *Server) alertRoutes(*http.Request) (any, error) {
	if s.Alerts == nil {
		return []alert.Status{}, nil
	}
	return s.Alerts.Status(), nil
}

// testAlerts sends a test by one route, or by all.
func (s *Server) testAlerts(r *http.Request) (any, error) {
	out := []Tried{}
	if s.Alerts == nil {
		return out, errors.New("there is no route (write alerts: into the configuration)")
	}
	got, err := s.Alerts.Test(r.Context(), r.URL.Query().Get("route"), WhoOf(r.Context()).Name)
	for name, err := range got {
		t := Tried{Route: name, OK: err == nil}
		if err != nil {
			t.Why = err.Error()
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Tried) int { return cmp.Compare(a.Route, b.Route) })
	return out, err
}

// Alerts asks how each route is by which people hear of alarms.
func (c *Client) Alerts(ctx context.Context) ([]alert.Status, error) {
	return call[[]alert.Status](ctx, c, "GET", "/v1/alerts", nil)
}

// TestAlerts sends a test by a route, or by all for "".
func (c *Client) TestAlerts(ctx context.Context, route string) ([]Tried, error) {
	return call[[]Tried](ctx, c, "POST", "/v1/alerts/test?"+url.Values{"route": {route}}.Encode(), nil)
}
