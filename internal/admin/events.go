package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/event"
)

const (
	// mostStreams is how many may follow events at once.
	mostStreams = 100

	// batch is how many events are taken from the log at once.
	batch = 100

	// heartbeat is how often a stream says that it lives.
	heartbeat = 15 * time.Second

	// slowReader is how long a reader may take for a batch.
	slowReader = 10 * time.Second
)

// limit reads a query's limit.
func limit(text string, def, most int) (int, error) {
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("limit: %q is no number from 1 to %d", text, most)
	}
	return n, nil
}

// moment reads a moment, or how long before now it was; "" is the zero Time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a moment (2026-01-31T12:00:00Z) nor a duration (90m, 3d)", text)
	}
	return now.Add(-ago), nil
}

// after returns behind which event r wants to begin.
func (s *Server) after(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return s.Happens.Last(), nil
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("after: %q is not the id of an event", text)
	}
	return id, nil
}

// events answers with a list, or with a stream that goes on.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.Happens == nil {
		fail(w, http.StatusNotFound, "this node tells no events")
		return
	}
	id, err := s.after(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		_, _ = answer(w, r, func(r *http.Request) (any, error) { return s.eventList(r, id) })
		return
	}
	if s.streams.Add(1) > mostStreams {
		s.streams.Add(-1)
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d follow events already", mostStreams))
		return
	}
	defer s.streams.Add(-1)
	s.stream(w, r, id)
}

// eventList returns the events behind the one called id; the latest of them
// where no event was named.
func (s *Server) eventList(r *http.Request, id uint64) (Events, error) {
	most, err := limit(r.URL.Query().Get("limit"), 1000, event.Kept)
	if err != nil {
		return Events{}, err
	}
	out := Events{Events: []event.Event{}, Last: s.Happens.Last()}
	var list []event.Event
	if r.URL.Query().Get("after") == "" && r.Header.Get("Last-Event-ID") == "" {
		list = s.Happens.Latest(most)
	} else {
		list, out.Missed = s.Happens.After(id, most)
	}
	out.Events = append(out.Events, list...)
	return out, nil
}

// stream writes events as they come, until the reader is gone, is too slow, or
// the node stops.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, id uint64) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // a stream has none; an error means that there are no deadlines here
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if stop, ok := r.Context().Value(stopKey{}).(context.Context); ok {
		defer context.AfterFunc(stop, cancel)()
	}
	send := func(text string) bool {
		_ = c.SetWriteDeadline(time.Now().Add(slowReader))
		_, err := w.Write([]byte(text))
		return err == nil && c.Flush() == nil
	}
	for alive := send("retry: 2000\n: events of " + s.Version + "\n\n"); alive; {
		wait, done := context.WithTimeout(ctx, heartbeat)
		list, missed, err := s.Happens.Wait(wait, id, batch)
		done()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			alive = s.still(r) && send(": alive\n\n")
			continue
		}
		var b strings.Builder
		if missed {
			b.WriteString("event: missed\ndata: {}\n\n")
		}
		for _, e := range list {
			text, err := json.Marshal(e)
			if err != nil {
				continue // cannot be: it is strings and numbers
			}
			fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, text)
			id = e.ID
		}
		alive = s.still(r) && send(b.String())
	}
}

// still reports whether who follows still may: a token may have been revoked,
// or have ended, since, also where there is another of its name; and a browser
// may have been logged out.
func (s *Server) still(r *http.Request) bool {
	who, now := WhoOf(r.Context()), time.Now()
	if who.Via == viaSocket || s.Tokens == nil {
		return true
	}
	if who.Session {
		if _, open := s.sessions.token(who.cookie, now); !open {
			return false
		}
	}
	t, ok := s.Tokens.find(who.token, now)
	return ok && t.Rights.Read
}
