package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
)

// A FeedRequest is the body of PUT /v1/feeds/{pool}. What is left out it does
// not say; up and availability exclude each other.
type FeedRequest struct {
	Source       string   `json:"source"`                 // a feed of the configuration
	Part         string   `json:"part,omitempty"`         // one of several things that it says at once; the pool is down for it while one of them is
	Up           *bool    `json:"up,omitempty"`           // the pool works, or does not
	Availability *float64 `json:"availability,omitempty"` // share of requests that succeed, 0 to 1
	Latency      *float64 `json:"latency_ms,omitempty"`   // that users see
	Load         *float64 `json:"load,omitempty"`         // share of its capacity that the pool uses; 1 is full
	Weight       *float64 `json:"weight,omitempty"`       // of the vote; default, and at most, what the configuration has
	For          string   `json:"for,omitempty"`          // how long it holds, as 90s; default, and at most, what the configuration has
	Reason       string   `json:"reason,omitempty"`       // for people
}

// A FeedAnswer is what a feed says of a pool now.
type FeedAnswer struct {
	controller.FeedStatus
	Changed bool `json:"changed"` // it said something else before, or nothing
}

// same reports whether there is nothing to note.
func (f FeedAnswer) same() bool { return !f.Changed }

func (s *Server) setFeed(r *http.Request) (any, error) {
	var q FeedRequest
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	if err := WhoOf(r.Context()).speaks(q.Source); err != nil {
		return nil, err
	}
	w := controller.Word{Pool: r.PathValue("pool"), Source: q.Source, Part: q.Part, Up: q.Up, Availability: q.Availability, Latency: q.Latency,
		Load: q.Load, Weight: q.Weight, Reason: q.Reason}
	if q.For != "" {
		var err error
		if w.Lasts, err = config.ParseDuration(q.For); err != nil {
			return nil, fmt.Errorf("for: %w", err)
		}
	}
	status, changed, err := s.Controller.Feed(r.Context(), w)
	if err != nil {
		return nil, err
	}
	return FeedAnswer{status, changed}, nil
}

func (s *Server) clearFeed(r *http.Request) (any, error) {
	q := r.URL.Query()
	if err := WhoOf(r.Context()).speaks(q.Get("source")); err != nil {
		return nil, err
	}
	return Empty{}, s.Controller.ClearFeed(r.Context(), r.PathValue("pool"), q.Get("source"), q.Get("part"))
}

// Firing is what Alertmanager's webhook sends, as far as it matters here.
type Firing struct {
	Alerts []FiringAlert `json:"alerts"`
}

// A FiringAlert is one of them.
type FiringAlert struct {
	Status      string            `json:"status"` // firing or resolved
	Labels      map[string]string `json:"labels"` // pool says which; those of other alerts are left out
	Annotations map[string]string `json:"annotations,omitempty"`
	EndsAt      *time.Time        `json:"endsAt,omitempty"`
	Fingerprint string            `json:"fingerprint,omitempty"` // tells it from others of the same pool
}

// A FiringAnswer says what was made of alerts.
type FiringAnswer struct {
	Taken   int      `json:"taken"`
	Ignored int      `json:"ignored"`       // without a label pool, or of a pool that is none of ours or not one of the feed's
	Why     []string `json:"why,omitempty"` // those with a label pool were ignored, ten reasons at most
	Changed bool     `json:"changed"`       // some said something else before
}

// same reports whether there is nothing to note.
func (a FiringAnswer) same() bool { return !a.Changed }

// firing takes alerts: one that fires says down, until it is resolved or its
// feed's time is over; one that is resolved is forgotten.
func (s *Server) firing(r *http.Request) (any, error) {
	var q Firing
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil { // with fields that are not ours
		return nil, fmt.Errorf("request body: %w", err)
	}
	source := r.URL.Query().Get("source")
	if source == "" {
		source = "alertmanager"
	}
	if err := WhoOf(r.Context()).speaks(source); err != nil {
		return nil, err
	}
	words, err := alerts(q.Alerts, source)
	if err != nil {
		return nil, err
	}
	out := FiringAnswer{Ignored: len(q.Alerts) - len(words)}
	for _, w := range words {
		changed, err := s.alert(r.Context(), w)
		var not controller.NotHeard
		switch {
		case errors.As(err, &not):
			out.Ignored++
			if len(out.Why) < mostWhy && !slices.Contains(out.Why, err.Error()) {
				out.Why = append(out.Why, err.Error())
			}
		case err != nil:
			return nil, err
		default:
			out.Taken++
			out.Changed = out.Changed || changed
		}
	}
	return out, nil
}

// mostWhy is how many reasons are told for which alerts were ignored.
const mostWhy = 10

// alerts reads what alerts say as source, those left out that have no pool. One
// that is no alert makes all of them none: nothing is applied yet.
//
//	status     says
//	firing     down
//	resolved   nothing any longer: Up is nil
//	another    an error
func alerts(list []FiringAlert, source string) ([]controller.Word, error) {
	var words []controller.Word
	for _, a := range list {
		w := controller.Word{Pool: a.Labels["pool"], Source: source, Part: cmp.Or(a.Fingerprint, a.Labels["alertname"], "alert")}
		if w.Pool == "" {
			continue
		}
		switch a.Status {
		case "resolved":
		case "firing":
			w.Up = new(bool)
			w.Reason = shorten(cmp.Or(a.Annotations["summary"], a.Annotations["description"], "alert "+a.Labels["alertname"]+" fires"), 400)
		default:
			return nil, fmt.Errorf("alert of pool %s: status %q is neither firing nor resolved", w.Pool, a.Status)
		}
		w.Part = shorten(w.Part, 150)
		words = append(words, w)
	}
	return words, nil
}

// alert takes what one alert says.
func (s *Server) alert(ctx context.Context, w controller.Word) (changed bool, err error) {
	if w.Up == nil {
		return s.Controller.ClearFeed(ctx, w.Pool, w.Source, w.Part) == nil, nil // one that we do not know is none
	}
	_, changed, err = s.Controller.Feed(ctx, w)
	return changed, err
}

// shorten cuts text to most octets and a mark.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && text[cut]&0xc0 == 0x80 { // between two characters
		cut--
	}
	return text[:cut] + " …"
}
