// Package admin lets operators see and steer a running node: an HTTP API in
// JSON over the control socket, and the client that the command line uses.
//
// It keeps no state and takes no decision: every request becomes one call of
// the controller. It listens on a unix socket of mode 0660 and nowhere else;
// who may open that may do everything.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/monitor"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// A Server answers the API.
type Server struct {
	Controller  *controller.Controller
	Probe       func(ctx context.Context, pool string) ([]monitor.Report, error) // runs a pool's monitors once
	Queries     func() resolver.Stats
	Secondaries func() []xfr.Secondary // how each secondary is; nil: there are none
	Version     string
	Log         *slog.Logger
	Metrics     http.Handler // answers GET /metrics; nil: nothing does
}

// Listen opens the control socket at path with mode 0660. A socket that a
// dead process left behind is replaced; one that answers is left alone, and
// the error says so.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen.control: %w", err)
	}
	if err := makeRoom(path); err != nil {
		return nil, fmt.Errorf("listen.control: %w", err)
	}
	l, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("listen.control: %w", err)
	}
	return l, nil
}

// makeRoom clears the way for a socket at path. Only a socket that refuses
// connections is known to be dead: one that is too busy, or not ours to open,
// may belong to a shunt that runs.
func makeRoom(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is not a socket (move it away, or name another)", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("%s answers already: another shunt is running (stop it, or name another socket)", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s is there, and it is not known whether another shunt uses it: %w (remove it if none does)", path, err)
	}
	return os.Remove(path)
}

// Serve answers requests from l until ctx ends. Requests under way get a
// second then, and are over when it returns.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.recovered(s.routes()),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-over
		return nil
	}
	return fmt.Errorf("control socket: %w", err)
}

// routes is the whole API.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for route, h := range map[string]handler{
		"GET /v1/status":                 s.status,
		"GET /v1/explain":                s.explain,
		"POST /v1/pools/{pool}/probe":    s.probe,
		"POST /v1/pools/{pool}/failback": s.failback,
		"PUT /v1/overrides/{pool}":       s.setOverride,
		"DELETE /v1/overrides/{pool}":    s.clearOverride,
		"PUT /v1/freeze":                 s.freeze,
		"DELETE /v1/freeze":              s.unfreeze,
		"POST /v1/reload":                s.reload,
		"GET /v1/drills":                 s.drills,
		"POST /v1/drills":                s.startDrill,
		"GET /v1/drills/{id}":            s.drill,
		"DELETE /v1/drills/{id}":         s.stopDrill,
	} {
		mux.Handle(route, h)
	}
	if s.Metrics != nil {
		mux.Handle("GET /metrics", s.Metrics)
	}
	return mux
}

// A handler answers one request with a value, which goes out as JSON, or with
// an error.
type handler func(*http.Request) (any, error)

// A Fault is the body of an answer that is an error.
type Fault struct {
	Error   string `json:"error"`
	Refused bool   `json:"refused,omitempty"` // by a safety rule: force does it all the same
}

// ServeHTTP writes what h returns.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	v, err := h(r)
	code := http.StatusOK
	if err != nil {
		var refused controller.Refused
		v, code = Fault{Error: err.Error()}, http.StatusBadRequest
		if errors.As(err, &refused) {
			v, code = Fault{err.Error(), true}, http.StatusConflict
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v) // fails only when the client is gone
}

// recovered keeps a panic in one request from ending the process.
func (s *Server) recovered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("panic in a control request", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				http.Error(w, `{"error":"internal error; see the log"}`, http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// A Status is the answer to GET /v1/status.
type Status struct {
	*controller.Status
	Version     string          `json:"version"`
	Queries     resolver.Stats  `json:"queries"` // since the start
	Secondaries []xfr.Secondary `json:"secondaries"`
}

func (s *Server) status(*http.Request) (any, error) {
	q := s.Queries()
	if q.Steered == nil {
		q.Steered = []resolver.SteeredCount{} // a list, also before the first answer
	}
	return Status{Status: s.Controller.Status(), Version: s.Version, Queries: q, Secondaries: s.secondaries()}, nil
}

// secondaries says how each secondary is; a list, also where there is none.
func (s *Server) secondaries() []xfr.Secondary {
	if s.Secondaries == nil {
		return []xfr.Secondary{}
	}
	return s.Secondaries()
}

func (s *Server) explain(r *http.Request) (any, error) {
	q := r.URL.Query()
	who := controller.Asker{Country: q.Get("country")}
	var err error
	if text := q.Get("client"); text != "" {
		if who.Addr, err = netip.ParseAddr(text); err != nil {
			return nil, fmt.Errorf("client: %w (write an IPv4 or IPv6 address)", err)
		}
	}
	if text := q.Get("asn"); text != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(text), "AS"), 10, 32)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("asn: %q is no AS number (write 64500 or AS64500)", text)
		}
		who.ASN = uint32(n)
	}
	return s.Controller.Explain(q.Get("name"), q.Get("type"), who)
}

// A Report is what one probe saw, or the look-up of a pool's host name.
type Report struct {
	Monitor  string       `json:"monitor"`  // "" for the look-up
	Endpoint string       `json:"endpoint"` // "" for the look-up
	OK       bool         `json:"ok"`
	Class    health.Class `json:"class,omitempty"` // of the failure
	Reason   string       `json:"reason,omitempty"`
	Status   int          `json:"status,omitempty"` // HTTP status or DNS rcode
	Addrs    []netip.Addr `json:"addrs,omitempty"`  // that the look-up found
	CertEnd  *time.Time   `json:"cert_end,omitempty"`

	// How long each part took, in milliseconds; 0 for one not reached.
	Connect    float64 `json:"connect_ms"`
	TLS        float64 `json:"tls_ms"`
	Processing float64 `json:"processing_ms"`
	Transfer   float64 `json:"transfer_ms"`
	Total      float64 `json:"total_ms"`
}

func (s *Server) probe(r *http.Request) (any, error) {
	seen, err := s.Probe(r.Context(), r.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	out := make([]Report, len(seen))
	for i, m := range seen {
		out[i] = report(m)
	}
	return out, nil
}

// report puts what a monitor saw into words.
func report(m monitor.Report) Report {
	res, p := m.Result, m.Result.Phases
	r := Report{Monitor: m.Target.Monitor, OK: res.OK, Class: res.Class, Reason: res.Reason, Status: res.Status, Addrs: m.Addrs,
		Connect: ms(p.Connect), TLS: ms(p.TLS), Processing: ms(p.Processing), Transfer: ms(p.Transfer), Total: ms(p.Total)}
	if m.Target.Addr.IsValid() {
		r.Endpoint = m.Target.Addr.String()
	}
	if !res.CertEnd.IsZero() {
		r.CertEnd = &res.CertEnd
	}
	return r
}

// ms returns d in milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// A Change is the body of requests that change something.
type Change struct {
	Force  health.Force `json:"force,omitempty"`  // of an override: up, down, drain
	For    string       `json:"for,omitempty"`    // a duration, as 2h or 90m; at most 72h
	Reason string       `json:"reason,omitempty"` // for people; required
	Author string       `json:"author,omitempty"` // default: the user at the other end of the socket
	Anyway bool         `json:"anyway,omitempty"` // breaks safety rules: the command line's --force
}

// change reads the body of r, and how long the change is to last.
func change(r *http.Request) (c Change, lasts time.Duration, err error) {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err = dec.Decode(&c); err != nil {
		return c, 0, fmt.Errorf("request body: %w", err)
	}
	if c.Author == "" {
		c.Author = peer(r.Context())
	}
	if c.For != "" {
		if lasts, err = time.ParseDuration(c.For); err != nil {
			return c, 0, fmt.Errorf("for: %q is not a duration (write 90m or 2h)", c.For)
		}
	}
	return c, lasts, nil
}

func (s *Server) setOverride(r *http.Request) (any, error) {
	c, lasts, err := change(r)
	if err != nil {
		return nil, err
	}
	o, err := health.NewOverride(r.PathValue("pool"), c.Force, c.Reason, c.Author, time.Now(), lasts)
	if err != nil {
		return nil, err
	}
	return o, s.Controller.Override(r.Context(), o, c.Anyway)
}

func (s *Server) clearOverride(r *http.Request) (any, error) {
	return struct{}{}, s.Controller.ClearOverride(r.Context(), r.PathValue("pool"), peer(r.Context()))
}

func (s *Server) failback(r *http.Request) (any, error) {
	c, _, err := change(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.Controller.Failback(r.Context(), r.PathValue("pool"), c.Reason, c.Author)
}

func (s *Server) freeze(r *http.Request) (any, error) {
	c, lasts, err := change(r)
	if err != nil {
		return nil, err
	}
	f, err := health.NewFreeze(c.Reason, c.Author, time.Now(), lasts)
	if err != nil {
		return nil, err
	}
	return f, s.Controller.Freeze(r.Context(), f)
}

func (s *Server) unfreeze(r *http.Request) (any, error) {
	return struct{}{}, s.Controller.Unfreeze(r.Context(), peer(r.Context()))
}

func (s *Server) reload(r *http.Request) (any, error) {
	c, _, err := change(r)
	if err != nil {
		return nil, err
	}
	if err := s.Controller.Reload(r.Context(), c.Anyway); err != nil {
		var ps config.Problems
		if errors.As(err, &ps) {
			return nil, fmt.Errorf("the configuration cannot be used; what ran before goes on running:\n%w", err)
		}
		return nil, err
	}
	return s.Controller.Status().Reload, nil
}
