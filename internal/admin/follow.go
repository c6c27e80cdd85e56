package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shunt-dns/shunt/internal/event"
)

// Log asks for the audit log since a moment, or how long ago; "" is all.
func (c *Client) Log(ctx context.Context, since string) ([]Deed, error) {
	q := url.Values{"limit": {strconv.Itoa(mostDeeds)}, "since": {since}}
	return call[[]Deed](ctx, c, "GET", "/v1/log?"+q.Encode(), nil)
}

// Events asks for the latest events, at most most of them.
func (c *Client) Events(ctx context.Context, most int) (Events, error) {
	return call[Events](ctx, c, "GET", "/v1/events?limit="+strconv.Itoa(most), nil)
}

// Follow calls each with the events behind the one called after, as they come,
// until ctx ends, each says no, or the node ends the stream, which is io.EOF.
// An Event without an id says that some are missing between.
func (c *Client) Follow(ctx context.Context, after uint64, each func(event.Event) bool) error {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://shunt/v1/events?after="+strconv.FormatUint(after, 10), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	endless := http.Client{Transport: c.http.Transport}
	resp, err := endless.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // without it the status says enough
		return faultOf(resp, text)
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\n")
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e event.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("an event: %w", err)
		}
		if !each(e) {
			return nil
		}
	}
}

// faultOf returns what an answer that is an error says.
func faultOf(resp *http.Response, text []byte) error {
	var f Fault
	if json.Unmarshal(text, &f) != nil || f.Error == "" {
		return fmt.Errorf("%s %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status)
	}
	return errors.New(f.Error)
}
