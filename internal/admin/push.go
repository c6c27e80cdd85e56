package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/providers"
)

// providers says how each provider is; a list, also where there is none.
func (s *Server) providers() []providers.Status {
	if s.Providers == nil {
		return []providers.Status{}
	}
	return s.Providers.Status()
}

// plan says what a push would change at providers, or at the one that is named.
func (s *Server) plan(r *http.Request) (any, error) {
	if s.Providers == nil {
		return []providers.Preview{}, nil
	}
	return s.Providers.Plan(r.Context(), r.URL.Query().Get("provider"))
}

// publish pushes to providers, or to the one that is named, and waits for it.
func (s *Server) publish(r *http.Request) (any, error) {
	c, _, err := change(r)
	if err != nil {
		return nil, err
	}
	if s.Providers == nil {
		return []providers.Status{}, nil
	}
	err = s.Providers.Push(r.Context(), r.URL.Query().Get("provider"), c.Anyway)
	if err != nil && providers.IsRefused(err) {
		return nil, controller.Refused{Why: err.Error()}
	}
	return s.providers(), err
}

// pushState is what a push changes.
func pushState(s *Server, _ *http.Request) any { return s.providers() }

// Plan asks what a push to a provider would change, or to all for "".
func (c *Client) Plan(ctx context.Context, provider string) ([]providers.Preview, error) {
	return call[[]providers.Preview](ctx, c, "GET", "/v1/plan?"+url.Values{"provider": {provider}}.Encode(), nil)
}

// Publish pushes to a provider now, or to all for "", and waits for it.
func (c *Client) Publish(ctx context.Context, provider string, force bool) ([]providers.Status, error) {
	return call[[]providers.Status](ctx, c, "POST", "/v1/publish?"+url.Values{"provider": {provider}}.Encode(), Change{Anyway: force})
}
