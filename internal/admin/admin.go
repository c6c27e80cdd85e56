// Package admin lets operators see and steer a running node: an HTTP API in
// JSON over the control socket and over listen.web, who may use it, the audit
// log of what they did, and the client that the command line uses.
//
// It takes no decision: every request becomes one call of the controller. Who
// may open the control socket, of mode 0660, may do everything.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/monitor"
	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// A Server answers the API.
type Server struct {
	Controller  *controller.Controller
	Probe       func(ctx context.Context, pool string) ([]monitor.Report, error) // runs a pool's monitors once
	Queries     func() resolver.Stats
	Secondaries func() []xfr.Secondary // how each secondary is; nil: there are none
	Providers   *providers.Keeper      // keeps DNS providers in step; nil: there are none
	Alerts      *alert.Teller          // tells people of alarms; nil: nothing does
	Version     string
	Log         *slog.Logger

	Tokens  *Keyring     // who may use listen.web; nil: everybody on this machine may read
	Audit   *Audit       // of all that was to change something; nil: none is kept
	Happens *event.Log   // what GET /v1/events tells; nil: nothing
	Metrics http.Handler // answers GET /metrics, to who may read; nil: nothing does
	Pages   http.Handler // answers GET / and all else of listen.web; WhoOf says to whom, who may be unknown; nil: nothing does
	Health  http.Handler // answers GET /healthz and /readyz to everybody; nil: nothing does

	sessions sessions
	tries    tries        // wrong tokens
	denied   tries        // what was asked for without the right
	streams  atomic.Int32 // of events, that are open
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
		Handler:           s.recovered(s.control()),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	if err := s.serve(ctx, srv, l); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// viaSocket is where requests over the control socket come from, for the audit
// log.
const viaSocket = "socket"

// control is what the control socket serves: everything, to whoever may open
// it.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.API())
	mux.Handle("GET /metrics", readers(s.Metrics))
	if s.Health != nil {
		mux.Handle("GET /healthz", s.Health)
		mux.Handle("GET /readyz", s.Health)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(WithWho(r.Context(), Who{Name: peer(r.Context()), Via: viaSocket, Rights: write})))
	})
}

// A handler answers one request with a value, which goes out as JSON, or with
// an error.
type handler func(*http.Request) (any, error)

// A Fault is the body of an answer that is an error.
type Fault struct {
	Error   string `json:"error"`
	Refused bool   `json:"refused,omitempty"` // by a safety rule: force does it all the same
}

// answer writes what h returns, and returns it.
func answer(w http.ResponseWriter, r *http.Request, h handler) (any, error) {
	v, err := h(r)
	code := http.StatusOK
	if err != nil {
		var refused controller.Refused
		var not forbidden
		v, code = Fault{Error: err.Error()}, http.StatusBadRequest
		if errors.As(err, &refused) {
			v, code = Fault{err.Error(), true}, http.StatusConflict
		}
		if errors.As(err, &not) {
			code = http.StatusForbidden
		}
	}
	reply(w, code, v)
	return v, err
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // fails only when the client is gone
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

	Providers []providers.Status `json:"providers"`
}

func (s *Server) status(*http.Request) (any, error) {
	q := s.Queries()
	if q.Steered == nil {
		q.Steered = []resolver.SteeredCount{} // a list, also before the first answer
	}
	return Status{Status: s.Controller.Status(), Version: s.Version, Queries: q, Secondaries: s.secondaries(), Providers: s.providers()}, nil
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

// decode reads the body of r into v. It is one value: what stood behind it would
// be done without, and keep the audit log from seeing what was.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more behind its end")
		}
	}
	if err != nil {
		return fmt.Errorf("request body: %w", err)
	}
	return nil
}

// change reads the body of r, and how long the change is to last.
func change(r *http.Request) (c Change, lasts time.Duration, err error) {
	if err = decode(r, &c); err != nil {
		return c, 0, err
	}
	c.Author = author(r, c.Author)
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
	return Empty{}, s.Controller.ClearOverride(r.Context(), r.PathValue("pool"), author(r, ""))
}

func (s *Server) failback(r *http.Request) (any, error) {
	c, _, err := change(r)
	if err != nil {
		return nil, err
	}
	return Empty{}, s.Controller.Failback(r.Context(), r.PathValue("pool"), c.Reason, c.Author)
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
	return Empty{}, s.Controller.Unfreeze(r.Context(), author(r, ""))
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
