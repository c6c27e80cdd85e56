// Package dashboard shows a running node to people in a browser, and takes
// what they want done: pages in HTML, drawn on this side, that need no script;
// with it they follow what happens.
//
// It decides nothing and has no right of its own: whatever changes something
// is a request of the node's API, made in the name of whoever asks, with the
// same refusals and the same note in the audit log. It loads nothing from
// anywhere else, and keeps nothing but the measurements that it draws.
package dashboard

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/event"
	"github.com/shunt-dns/shunt/resolver"
)

//go:embed pages static
var files embed.FS

// A State is what there is to see; controller.Controller is the real one.
type State interface {
	Glance() *controller.Status
	List(controller.Want) controller.List
	Regions(service string) []controller.Region
}

// Deps are what a Dashboard works with.
type Deps struct {
	State   State
	API     http.Handler            // of the node: takes what is asked for in the name of the request's viewer
	Queries func() resolver.Stats   // may be nil
	Events  func(int) []event.Event // the latest so many, the oldest first; nil: there are none
	Stream  string                  // address of the API's events, of which the script hears at once; "": it only looks again and again
	Remote  func() []Remote         // secondaries, providers and routes of alerts; nil: there are none
	Log     *slog.Logger
	Version string

	Now func() time.Time // default: time.Now
}

// A Remote is a server elsewhere that is kept in step, or told of alarms.
type Remote struct {
	Kind  string // secondary, provider or alerts
	Name  string
	What  string // its zones, or which kind of provider or route it is
	State string // in a word or two, as "in step"
	Level string // good, warn or bad
	Since time.Time
	Lag   string // how far behind, in words; "" where it is not
	Why   string
}

// A Dashboard serves the pages. Make it with New, and let Run run.
type Dashboard struct {
	deps    Deps
	mux     *http.ServeMux
	own     http.Handler // mux, for requests that no other site makes
	pages   map[string]*template.Template
	samples sampler
	assets  map[string]asset
	stamp   string   // of the static files: pages of another one load anew
	secret  [32]byte // forms are signed with
	born    time.Time
}

// An asset is one static file.
type asset struct {
	kind string
	text []byte
}

// New returns a Dashboard. The error is of its own pages: a mistake in this
// program.
func New(d Deps) (*Dashboard, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	b := &Dashboard{deps: d, mux: http.NewServeMux(), assets: map[string]asset{}}
	rand.Read(b.secret[:]) // never fails
	b.born = d.Now()
	if err := b.load(); err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	if err := b.parse(); err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	b.routes()
	b.own = http.NewCrossOriginProtection().Handler(b.mux)
	return b, nil
}

// routes is every address there is.
func (b *Dashboard) routes() {
	b.mux.HandleFunc("GET /static/{name}", b.static)
	b.mux.HandleFunc("GET /login", b.logIn)
	for route, h := range map[string]http.HandlerFunc{
		"GET /{$}":             b.overview,
		"GET /services":        b.services,
		"GET /services/{name}": b.service,
		"GET /pools":           b.poolList,
		"GET /pools/{name}":    b.pool,
		"GET /operate":         b.operate,
		"POST /do/{action}":    b.do,
		"GET /explain":         b.explain,
		"GET /drills":          b.drills,
		"GET /drills/{id}":     b.drill,
		"GET /log":             b.journal,
	} {
		b.mux.HandleFunc(route, b.known(h))
	}
	b.mux.HandleFunc("/", b.known(func(w http.ResponseWriter, r *http.Request) {
		b.fail(w, r, http.StatusNotFound, "There is no such page.", "")
	}))
}

// policy is what a browser may do for our pages: nothing but load our own
// files and talk to us.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP answers one request.
func (b *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	// A form of another site is refused, also where nobody needs to log in.
	b.own.ServeHTTP(w, r)
}

// Run measures, once a second, what the pages show of rates and latencies,
// until ctx ends.
func (b *Dashboard) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		b.sample()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sample takes one measurement.
func (b *Dashboard) sample() {
	now := b.deps.Now()
	if b.deps.Queries != nil {
		b.samples.add(now, b.deps.Queries())
	}
	b.samples.watch(now, b.deps.State.Glance().Pools)
}

// known lets nobody in who may not see the pages.
func (b *Dashboard) known(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if b.viewer(r).Known {
			h(w, r)
			return
		}
		if r.Header.Get("X-Live") != "" { // the script's: it goes there itself
			http.Error(w, "log in", http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, "/login?next="+template.URLQueryEscaper(r.URL.RequestURI()), http.StatusSeeOther)
	}
}

// load reads the static files.
func (b *Dashboard) load() error {
	sum := sha256.New()
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	err := fs.WalkDir(files, "static", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "static/")
		b.assets[name] = asset{kinds[name[strings.LastIndexByte(name, '.'):]], text}
		sum.Write(text)
		return nil
	})
	b.stamp = hex.EncodeToString(sum.Sum(nil))[:12]
	return err
}

// static answers with a file of the program. Its address changes with it.
func (b *Dashboard) static(w http.ResponseWriter, r *http.Request) {
	a, ok := b.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.text))
}
