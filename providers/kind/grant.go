package kind

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// A grant gets access tokens by OAuth 2.0 (RFC 6749) and keeps one while it is
// good.
type grant struct {
	fetch func(ctx context.Context) (*oauth2.Token, error)

	mu    sync.Mutex
	token *oauth2.Token
}

// authorization returns the value of an Authorization field. Its error wraps
// ErrDenied where no token is granted, or is a Later or the context's.
func (g *grant) authorization(ctx context.Context) (string, error) {
	g.mu.Lock()
	token := g.token
	g.mu.Unlock()
	if !token.Valid() {
		var err error
		client := &http.Client{
			Transport:     bound{ctx},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		if token, err = g.fetch(context.WithValue(ctx, oauth2.HTTPClient, client)); err != nil {
			return "", refused(ctx, err)
		}
		g.mu.Lock()
		g.token = token
		g.mu.Unlock()
	}
	return token.Type() + " " + token.AccessToken, nil
}

// drop forgets the token after a call that it was no good for.
func (g *grant) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = nil
}

// refused returns the error of a token that was not had. The reply's text is
// left out: it may tell the assertion back.
func refused(ctx context.Context, err error) error {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) || said.Response == nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	status := said.Response.StatusCode
	text := fmt.Sprintf("no access token: HTTP %d", status)
	if said.ErrorCode != "" {
		text += " " + said.ErrorCode
	}
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return Later{After: retryAfter(said.Response.Header, time.Now()), Why: text}
	case status >= 400 && status < 500:
		return fmt.Errorf("%w: %s", ErrDenied, text)
	}
	return errors.New(text)
}

// A bound transport ends its requests with a context: x/oauth2/jwt sends some
// without one.
type bound struct{ ctx context.Context }

// RoundTrip sends r within the context.
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultTransport.RoundTrip(r.WithContext(b.ctx))
}
