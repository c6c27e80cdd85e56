package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/controller"
)

// A Client talks to the node behind one control socket.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the control socket at path. It connects with
// the first request.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{path, http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 2 * time.Minute}}
}

// Status asks for the state of the node.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[*Status](ctx, c, "GET", "/v1/status", nil)
}

// An Asker is whom an explanation is for, in words: an address, or a country
// (DE, US-CA) and an AS number (64500). All may be "".
type Asker struct{ Client, Country, ASN string }

// Explain asks what answers name for who, and why. Qtype may be "".
func (c *Client) Explain(ctx context.Context, name, qtype string, who Asker) (*controller.Explanation, error) {
	q := url.Values{"name": {name}, "type": {qtype}, "client": {who.Client}, "country": {who.Country}, "asn": {who.ASN}}
	return call[*controller.Explanation](ctx, c, "GET", "/v1/explain?"+q.Encode(), nil)
}

// Probe runs the monitors of pool once, now.
func (c *Client) Probe(ctx context.Context, pool string) ([]Report, error) {
	return call[[]Report](ctx, c, "POST", "/v1/pools/"+url.PathEscape(pool)+"/probe", nil)
}

// Override sets an override of pool.
func (c *Client) Override(ctx context.Context, pool string, ch Change) (health.Override, error) {
	return call[health.Override](ctx, c, "PUT", "/v1/overrides/"+url.PathEscape(pool), ch)
}

// ClearOverride ends the override of pool.
func (c *Client) ClearOverride(ctx context.Context, pool string) error {
	_, err := call[struct{}](ctx, c, "DELETE", "/v1/overrides/"+url.PathEscape(pool), nil)
	return err
}

// Failback lets a pool back that waits after a fall.
func (c *Client) Failback(ctx context.Context, pool string, ch Change) error {
	_, err := call[struct{}](ctx, c, "POST", "/v1/pools/"+url.PathEscape(pool)+"/failback", ch)
	return err
}

// Freeze switches automation off.
func (c *Client) Freeze(ctx context.Context, ch Change) (health.Freeze, error) {
	return call[health.Freeze](ctx, c, "PUT", "/v1/freeze", ch)
}

// Unfreeze switches automation on again.
func (c *Client) Unfreeze(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, "DELETE", "/v1/freeze", nil)
	return err
}

// Reload asks the node to read its configuration again.
func (c *Client) Reload(ctx context.Context, force bool) (controller.Reload, error) {
	return call[controller.Reload](ctx, c, "POST", "/v1/reload", Change{Anyway: force})
}

// call makes one request and reads the answer into a T.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (answer T, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return answer, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://shunt"+path, bytes.NewReader(text))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer, c.explain(err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return answer, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer, faultOf(resp, text)
	}
	return answer, json.Unmarshal(text, &answer)
}

// explain says in err that nobody answers, where that is so.
func (c *Client) explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no shunt answers at %s: %w (is it running, may you read the socket, is it the right --socket?)", c.path, op.Err)
	}
	return err
}
