package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers"
)

// A route is one operation of the API. The table of them is all that there is:
// what is served, who may, what the audit log calls it, and what
// openapi.json says of it.
type route struct {
	at    string // method and path
	id    string // of the operation
	right Rights // that it needs: read, write or feed
	says  string // in a sentence
	query []param
	takes any // the zero value of its body; nil: it has none
	gives any // the zero value of its answer
	do    func(s *Server) handler

	// state returns what a write changes, for the audit log; nil where there is
	// nothing to show.
	state func(s *Server, r *http.Request) any
}

// A param is one of a route's query.
type param struct{ name, says string }

// routes is the whole API. GET /v1/events, which is a stream, is beside it.
func routes() []route {
	return []route{
		{at: "GET /v1/status", id: "status", right: read, says: "The state of the node: pools, services, overrides, drills, alarms.", gives: Status{},
			do: func(s *Server) handler { return s.status }},
		{at: "GET /v1/explain", id: "explain", right: read, says: "What answers a name for a client, and why, step by step.", gives: controller.Explanation{},
			query: []param{{"name", "the name that is asked for"}, {"type", "the type, as A or TYPE65; default A"}, {"client", "the client's address"},
				{"country", "its country or subdivision, as DE or US-CA, in place of an address"}, {"asn", "its AS number, as 64500, in place of an address"}},
			do: func(s *Server) handler { return s.explain }},
		{at: "POST /v1/pools/{pool}/probe", id: "probe", right: write, says: "Run the monitors of a pool once, now. What they see moves no verdict.", gives: []Report{},
			do: func(s *Server) handler { return s.probe }},
		{at: "POST /v1/pools/{pool}/failback", id: "failback", right: write, says: "Let a pool back that is up after a fall and waits.", takes: Change{}, gives: Empty{},
			do: func(s *Server) handler { return s.failback }, state: poolState},
		{at: "PUT /v1/overrides/{pool}", id: "override.set", right: write, says: "Override what probes say of a pool, until a time is over.", takes: Change{}, gives: health.Override{},
			do: func(s *Server) handler { return s.setOverride }, state: overrideState},
		{at: "DELETE /v1/overrides/{pool}", id: "override.clear", right: write, says: "End the override of a pool.", gives: Empty{},
			do: func(s *Server) handler { return s.clearOverride }, state: overrideState},
		{at: "PUT /v1/freeze", id: "freeze", right: write, says: "Switch automation off, until a time is over.", takes: Change{}, gives: health.Freeze{},
			do: func(s *Server) handler { return s.freeze }, state: freezeState},
		{at: "DELETE /v1/freeze", id: "unfreeze", right: write, says: "Switch automation on again.", gives: Empty{},
			do: func(s *Server) handler { return s.unfreeze }, state: freezeState},
		{at: "POST /v1/reload", id: "reload", right: write, says: "Read the configuration and the zones again.", takes: Change{}, gives: controller.Reload{},
			do: func(s *Server) handler { return s.reload }, state: reloadState},
		{at: "GET /v1/drills", id: "drills", right: read, says: "The drills that reports are kept of, the latest first, without their measurements.", gives: []drill.Report{},
			do: func(s *Server) handler { return s.drills }},
		{at: "POST /v1/drills", id: "drill.start", right: write, says: "Begin a drill, or with dry_run say what would be.", takes: DrillRequest{}, gives: DrillAnswer{},
			do: func(s *Server) handler { return s.startDrill }, state: drillState},
		{at: "GET /v1/drills/{id}", id: "drill", right: read, says: "The report of a drill; of the one that runs, or else the latest, where id is latest.", gives: drill.Report{},
			do: func(s *Server) handler { return s.drill }},
		{at: "DELETE /v1/drills/{id}", id: "drill.stop", right: write, says: "End a drill; the one that runs where id is latest.", gives: drill.Report{},
			do: func(s *Server) handler { return s.stopDrill }, state: drillState},
		{at: "GET /v1/plan", id: "plan", right: read, says: "What a push to DNS providers would change now. It reads them, and changes nothing.", gives: []providers.Preview{},
			query: []param{{"provider", "one of them; default: all"}},
			do:    func(s *Server) handler { return s.plan }},
		{at: "POST /v1/publish", id: "publish", right: write, says: "Compare DNS providers with what is answered, push what differs, and wait for it.", takes: Change{}, gives: []providers.Status{},
			query: []param{{"provider", "one of them; default: all"}},
			do:    func(s *Server) handler { return s.publish }, state: pushState},
		{at: "PUT /v1/feeds/{pool}", id: "feed", right: feed, says: "Say how a pool is, as a feed of the configuration, until a time is over. A token with the right to feed speaks only for the feeds that it is for.", takes: FeedRequest{}, gives: FeedAnswer{},
			do: func(s *Server) handler { return s.setFeed }},
		{at: "DELETE /v1/feeds/{pool}", id: "feed.clear", right: feed, says: "Take back what a feed says of a pool.", gives: Empty{},
			query: []param{{"source", "the feed"}, {"part", "one of several things that it says; default: all"}}, do: func(s *Server) handler { return s.clearFeed }},
		{at: "POST /v1/feeds/alertmanager", id: "feed.alertmanager", right: feed, says: "Take alerts as Alertmanager's webhook sends them: one that fires says that the pool of its label pool is down. Those of other pools are ignored; one that is malformed makes all of them fail, and nothing is applied.", takes: Firing{}, gives: FiringAnswer{},
			query: []param{{"source", "the feed; default alertmanager"}}, do: func(s *Server) handler { return s.firing }},
		{at: "GET /v1/alerts", id: "alerts", right: read, says: "The routes by which people hear of alarms, and how they go.", gives: []alert.Status{},
			do: func(s *Server) handler { return s.alertRoutes }},
		{at: "POST /v1/alerts/test", id: "alert.test", right: write, says: "Send a test by a route, at once, and say what came of it.", gives: []Tried{},
			query: []param{{"route", "one of them; default: all"}},
			do:    func(s *Server) handler { return s.testAlerts }},
		{at: "GET /v1/log", id: "log", right: read, says: "The audit log: every request that was to change something, the oldest first.", gives: []Deed{},
			query: []param{{"since", "a moment (2026-01-31T12:00:00Z), or how long ago (90m, 3d); default: all that is kept"}, {"limit", "at most so many, the latest; default 1000, at most 10000"}},
			do:    func(s *Server) handler { return s.log }},
	}
}

// eventsRoute is the one that answers with a stream.
func eventsRoute() route {
	return route{at: "GET /v1/events", id: "events", right: read, says: "What happens, as server-sent events; with Accept: application/json what has happened, as a list.", gives: Events{},
		query: []param{{"after", "begin behind the event with this id, 0 for all that are kept; default: with what happens next. Last-Event-ID outranks it"}, {"limit", "of a list: at most so many; default 1000, at most 4096"}}}
}

// Empty is the answer to what has nothing to say but that it was done.
type Empty struct{}

// API answers the requests of whoever the context says they are from (see
// [WithWho]).
func (s *Server) API() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.Handle(rt.at, s.guarded(rt, rt.do(s)))
	}
	mux.Handle(eventsRoute().at, readers(http.HandlerFunc(s.events)))
	mux.Handle("GET /v1/openapi.json", readers(http.HandlerFunc(openAPI)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if allowed := methods(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			fail(w, http.StatusMethodNotAllowed, r.URL.Path+" takes "+strings.Join(allowed, ", ")+", not "+shorten(r.Method, 20))
			return
		}
		fail(w, http.StatusNotFound, "there is no "+r.URL.Path+" (GET /v1/openapi.json lists what there is)")
	})
	return mux
}

// methods lists those by which mux answers where r leads, but for what answers
// everything.
func methods(mux *http.ServeMux, r *http.Request) []string {
	var out []string
	for _, m := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		with := r.Clone(r.Context())
		with.Method = m
		if _, pattern := mux.Handler(with); pattern != "" && pattern != "/" {
			out = append(out, m)
		}
	}
	return out
}

// guarded lets those do what rt does who may, and notes every write.
func (s *Server) guarded(rt route, do handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := WhoOf(r.Context())
		if who.Rights == none {
			unknown(w)
			return
		}
		if rt.right == read {
			if !who.Rights.Read {
				fail(w, http.StatusForbidden, "this needs the right to read, which this token does not have")
				return
			}
			_, _ = answer(w, r, do) // nothing is left to do about an error
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			fail(w, http.StatusRequestEntityTooLarge, "request body: "+err.Error())
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		d := s.deed(rt, r, body)
		var given any
		if who.Rights.covers(rt.right) {
			var not forbidden
			if given, err = answer(w, r, do); errors.As(err, &not) && !s.deny(r) {
				return // what was noted already is not to be pushed out of the log
			}
		} else {
			err = s.lacks(rt.right)
			if !s.deny(r) {
				slowDown(w, err.Error())
				return
			}
			fail(w, http.StatusForbidden, err.Error())
		}
		if q, ok := given.(interface{ same() bool }); ok && q.same() {
			return // it says again what it said
		}
		s.finish(d, rt, r, err)
	})
}

// deny notes that r was to do what its sender may not; false where there were
// too many of those from there to note each.
func (s *Server) deny(r *http.Request) bool {
	from, now := remote(r), time.Now()
	if !s.denied.left(from, now, deniedAtOnce) {
		return false
	}
	s.denied.wrong(from, now)
	return true
}

// lacks says that a request needs a right which its sender has not.
func (s *Server) lacks(need Rights) forbidden {
	if s.Tokens == nil {
		return forbidden("this needs the right to " + need.String() + ", which nobody has over listen.web as long as listen.tokens names no file (shunt token new makes a token)")
	}
	return forbidden("this needs the right to " + need.String() + ", which this token does not have")
}

// maxBody is how many octets the body of a request may have.
const maxBody = 64 << 10

// deed returns what the audit log will say of r.
func (s *Server) deed(rt route, r *http.Request, body []byte) Deed {
	var said struct {
		Reason, Author string
		Anyway         bool
		Pools          []string
		DryRun         bool `json:"dry_run"`
	}
	_ = json.Unmarshal(body, &said) // what is wrong with it, the handler says
	d := Deed{At: time.Now().UTC(), Who: shorten(actor(r, said.Author), mostText), Via: WhoOf(r.Context()).Via, What: rt.id, Why: shorten(said.Reason, mostText), Forced: said.Anyway}
	d.Subject = r.PathValue("pool") + r.PathValue("id")
	if d.Subject == "" {
		d.Subject = strings.Join(said.Pools, ", ")
	}
	d.Subject = shorten(d.Subject, mostText)
	if said.DryRun {
		d.What += ".dry-run"
	}
	if rt.state != nil {
		d.Before = encode(rt.state(s, r))
	}
	return d
}

// finish notes how it went.
func (s *Server) finish(d Deed, rt route, r *http.Request, err error) {
	var refused controller.Refused
	var not forbidden
	d.Outcome = Done
	switch {
	case err == nil:
	case errors.As(err, &refused), errors.As(err, &not):
		d.Outcome, d.Error = Refused, err.Error()
	default:
		d.Outcome, d.Error = Failed, err.Error()
	}
	if rt.state != nil {
		if d.After = encode(rt.state(s, r)); bytes.Equal(d.After, d.Before) {
			d.After = nil
		}
	}
	d.Error = shorten(d.Error, mostText)
	s.Audit.Note(d)
}

// mostText is how many octets a text of the audit log has at most: nobody is to
// push out of it what others did.
const mostText = 1 << 10

// encode returns v as JSON; nil for nothing.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil || v == nil || string(text) == "null" {
		return nil
	}
	return text
}

// What writes change.
func poolState(s *Server, r *http.Request) any {
	for _, p := range s.Controller.Glance().Pools {
		if p.Name == r.PathValue("pool") {
			return struct {
				State string `json:"state"`
				Waits string `json:"waits"`
			}{p.State, p.Waits}
		}
	}
	return nil
}

func overrideState(s *Server, r *http.Request) any {
	for _, p := range s.Controller.Glance().Pools {
		if p.Name == r.PathValue("pool") && p.Override != nil {
			return p.Override
		}
	}
	return nil
}

func freezeState(s *Server, _ *http.Request) any { return s.Controller.Glance().Frozen }

func reloadState(s *Server, _ *http.Request) any {
	g := s.Controller.Glance()
	return struct {
		Generation uint64            `json:"generation"`
		Reload     controller.Reload `json:"reload"`
	}{g.Generation, g.Reload}
}

func drillState(s *Server, _ *http.Request) any {
	running := []string{}
	for _, d := range s.Controller.Glance().Drills {
		running = append(running, d.ID)
	}
	return struct {
		Running []string `json:"running"`
	}{running}
}

func (s *Server) log(r *http.Request) (any, error) {
	q := r.URL.Query()
	since, err := moment(q.Get("since"), time.Now())
	if err != nil {
		return nil, fmt.Errorf("since: %w", err)
	}
	most, err := limit(q.Get("limit"), 1000, mostDeeds)
	if err != nil {
		return nil, err
	}
	return s.Audit.Deeds(since, most)
}

// Events are what has happened.
type Events struct {
	Events []event.Event `json:"events"` // the oldest first
	Missed bool          `json:"missed"` // there were others behind the one asked for, which are no longer kept
	Last   uint64        `json:"last"`   // id of the latest event there is; 0: there was none yet
}
