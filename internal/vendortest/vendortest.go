// Package vendortest plays the HTTP APIs of DNS providers on loopback, so that
// adapters can be tried against what vendors check and how they fail.
//
// A [Double] is one vendor's API: it keeps the [State] (zones and their
// records), counts requests and makes [Fault]s happen. What differs between
// vendors is a [Vendor], one file each: it checks what the vendor checks
// (credentials, conflicts, TTLs, entity tags), speaks in the vendor's words,
// and is written from the vendor's public documentation. A vendor's file holds
// one constructor, as Cloudflare(token string) Vendor, and its Serve and
// Refuse. To write another:
//
//   - Serve answers one request from the State it is given and changes that
//     State in place. It is never called twice at once, starts nothing and
//     keeps nothing beside the State (a token that it issued is derived from
//     the request, not remembered).
//   - GET and HEAD are reads, all else writes. A Vendor with a further method
//     Login(*http.Request) bool says which requests are about credentials:
//     faults of reads and writes pass these by.
//   - Refuse writes the vendor's own error for a Trouble; the status and
//     Retry-After are given.
//   - Lists have [Page] items a page, whatever a client asks for.
//
// Faults are the framework's, and no Vendor knows of them: a late read is
// served from an older State, an accepted write that does not happen is served
// from a copy that is thrown away, a clamp raises TTLs once Serve is done.
//
// It never listens beyond 127.0.0.1, and imports no testing package.
package vendortest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Page is how many items a page of a list has.
const Page = 2

// A Vendor is what one API checks and how it speaks.
type Vendor interface {
	// Serve answers r, and reads and changes s.
	Serve(w http.ResponseWriter, r *http.Request, s *State)
	// Refuse writes status with the body that the vendor sends with it:
	// 401 or 403 for expired credentials, 429 for too many requests, 500, 503.
	Refuse(w http.ResponseWriter, r *http.Request, status int)
}

// A Double is a vendor's API that can be told to fail. All its methods may be
// called at any time.
type Double struct {
	vendor Vendor
	url    string
	server *http.Server
	stop   chan struct{} // closed by Close; ends hangs
	wg     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	state    *State
	stale    *State // what late reads see
	lag      int    // late reads still to come
	faults   []Fault
	seen     map[int]int // requests that each fault's rule fitted
	requests []string
}

// Start plays v on a free port of 127.0.0.1, with no zones. The error is that
// of the socket.
func Start(v Vendor) (*Double, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("vendortest: %w", err)
	}
	d := &Double{vendor: v, url: "http://" + ln.Addr().String(), stop: make(chan struct{}), state: &State{}}
	d.server = &http.Server{Handler: d, ErrorLog: log.New(io.Discard, "", 0)}
	d.wg.Go(func() { _ = d.server.Serve(ln) })
	return d, nil
}

// URL returns the base of the API, without a final slash.
func (d *Double) URL() string { return d.url }

// Close ends the API and every hang.
func (d *Double) Close() {
	close(d.stop)
	_ = d.server.Close()
	d.wg.Wait()
}

// Fail replaces all faults; with none the API is healthy again. Requests are
// counted from here.
func (d *Double) Fail(faults ...Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.seen, d.stale, d.lag = faults, map[int]int{}, nil, 0
}

// Requests returns the method and path of each request so far, as
// "GET /client/v4/zones".
func (d *Double) Requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.requests...)
}

// Writes returns how many requests so far were writes, done or not.
func (d *Double) Writes() int {
	n := 0
	for _, r := range d.Requests() {
		if !strings.HasPrefix(r, http.MethodGet+" ") && !strings.HasSuffix(r, " (login)") {
			n++
		}
	}
	return n
}

// Edit changes the state as somebody else would, in the dashboard.
func (d *Double) Edit(change func(*State)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.state)
}

// Zone returns the records of a zone as sorted lines, as
// "www.example.test. 300 A 192.0.2.1", with "; note" where a record has one.
func (d *Double) Zone(origin string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.Lines(origin)
}

// Load makes a zone that holds lines, in the form that Zone returns. It panics
// on a line that is none: a mistake in a test.
func (d *Double) Load(origin string, lines ...string) {
	d.Edit(func(s *State) { s.Load(origin, lines...) })
}

// ServeHTTP meets the faults, then has the vendor answer.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	met := d.meet(r)
	switch met.Do {
	case Hang:
		select {
		case <-d.stop:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case Throttle, Break, Deny:
		if met.After > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(met.After.Round(time.Second)/time.Second)))
		}
		d.vendor.Refuse(w, r, met.status())
		return
	case Garble:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body>Bad gateway</body></html>")
		return
	case Lose:
		d.serve(discard{}, r, met)
		panic(http.ErrAbortHandler)
	}
	d.serve(w, r, met)
}

// meet counts r and returns the fault that it meets, or none.
func (d *Double) meet(r *http.Request) Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	what, login := access(d.vendor, r), ""
	if what == "" {
		login = " (login)"
	}
	d.requests = append(d.requests, r.Method+" "+r.URL.Path+login)
	met := Fault{}
	for i, f := range d.faults {
		if !f.fits(what) {
			continue
		}
		d.seen[i]++
		if n := d.seen[i]; met.Do == "" && n > f.Skip && (f.Count == 0 || n <= f.Skip+f.Count) {
			met = f
		}
	}
	return met
}

// serve has the vendor answer r from the state that met lets it see.
func (d *Double) serve(w http.ResponseWriter, r *http.Request, met Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if access(d.vendor, r) != Write {
		state := d.state
		if d.lag > 0 && access(d.vendor, r) == Read {
			state = d.stale
			d.lag--
		}
		d.vendor.Serve(w, r, state.clone())
		return
	}
	if met.Do == Ignore {
		d.vendor.Serve(w, r, d.state.clone())
		return
	}
	before := d.state.clone()
	d.vendor.Serve(w, r, d.state)
	switch met.Do {
	case Late:
		d.stale, d.lag = before, max(met.Reads, 1)
	case Clamp:
		d.state.clamp(met.TTL)
	}
}

// access returns Read, Write, or "" for what is about credentials.
func access(v Vendor, r *http.Request) string {
	if l, ok := v.(interface{ Login(*http.Request) bool }); ok && l.Login(r) {
		return ""
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Read
	}
	return Write
}

// A discard is a reply that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return len(b), nil }
