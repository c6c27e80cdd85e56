// Package cdntest plays a CDN on loopback that can be told to fail. Its values
// are an [Edge], which is one HTTP or HTTPS server, a [Fault] that it has, and
// a [CA] that issues its certificates. Tests of every package and the demo use
// it, so it imports no testing package.
//
// It never listens beyond the address it is given, and never caches: an edge
// is its own origin.
package cdntest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what a healthy edge is.
type Options struct {
	Host   string            // the customer's host name; the certificate covers it. Default www.example.test
	CA     *CA               // issues the edge's certificates; nil serves plain HTTP
	Body   string            // of every answer; default "shunt-ok\n"
	Header map[string]string // further fields of every answer, as Server
}

// An Edge is one server of a CDN. All its methods may be called at any time.
type Edge struct {
	options Options
	addr    netip.AddrPort
	server  *http.Server
	certs   certs

	fault    atomic.Pointer[Fault]
	requests atomic.Uint64
	accepted atomic.Uint64

	mu     sync.Mutex // guards what follows
	door   *door      // nil while connections are refused
	hung   map[net.Conn]struct{}
	closed bool

	stop chan struct{} // closed by Close
	wake chan struct{} // tells the doorkeeper of a new fault
	wg   sync.WaitGroup
}

// Start serves at addr, a loopback address; port 0 takes a free one. The error
// says which address could not be had, or what certificate could not be made.
func Start(addr netip.AddrPort, o Options) (*Edge, error) {
	if o.Host == "" {
		o.Host = "www.example.test"
	}
	if o.Body == "" {
		o.Body = "shunt-ok\n"
	}
	e := &Edge{options: o, hung: map[net.Conn]struct{}{}, stop: make(chan struct{}), wake: make(chan struct{}, 1)}
	if o.CA != nil {
		var err error
		if e.certs, err = issueCerts(o.CA, o.Host); err != nil {
			return nil, err
		}
	}
	healthy := Healthy()
	e.fault.Store(&healthy)
	e.server = &http.Server{
		Handler:  http.HandlerFunc(e.serve),
		ErrorLog: log.New(io.Discard, "", 0), // failing is its trade
	}
	ln, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("cdntest: %w", err)
	}
	e.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	e.addr = netip.AddrPortFrom(e.addr.Addr().Unmap(), e.addr.Port())
	e.open(ln)
	e.wg.Go(e.keepDoor)
	return e, nil
}

// Addr returns where the edge listens.
func (e *Edge) Addr() netip.AddrPort { return e.addr }

// Set gives the edge another fault. Connections and requests that come after
// Set has returned meet it. The error says that the edge, after a Refuse,
// could not have its port again; it keeps trying until another Set.
func (e *Edge) Set(f Fault) error {
	e.fault.Store(&f)
	err := e.follow()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return err
}

// Requests returns how many HTTP requests have come so far, answered or not.
func (e *Edge) Requests() uint64 { return e.requests.Load() }

// Connections returns how many connections have been accepted so far.
func (e *Edge) Connections() uint64 { return e.accepted.Load() }

// Close stops the edge, cuts its connections and waits for what it started.
func (e *Edge) Close() {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.stop)
		e.shut()
	}
	e.mu.Unlock()
	_ = e.server.Close()
	e.wg.Wait()
}

// A door is a listener that lets connections in as the edge's fault allows.
type door struct {
	net.Listener
	edge *Edge
}

// Accept returns the next connection that the HTTP server gets to see.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		e := d.edge
		e.accepted.Add(1)
		switch e.now().kind {
		case hang:
			e.hold(c)
		case refuse: // the door is about to shut
			reset(c)
		default:
			return c, nil
		}
	}
}

// hold keeps c open and never answers, until the client gives up.
func (e *Edge) hold(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = c.Close()
		return
	}
	e.hung[c] = struct{}{}
	e.wg.Go(func() {
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
		e.mu.Lock()
		delete(e.hung, c)
		e.mu.Unlock()
	})
}

// open serves the connections of ln.
func (e *Edge) open(ln net.Listener) {
	d := &door{Listener: ln, edge: e}
	e.door = d
	var serve net.Listener = d
	if e.options.CA != nil {
		serve = tls.NewListener(d, &tls.Config{GetCertificate: e.certificate, MinVersion: tls.VersionTLS12})
	}
	e.wg.Go(func() { _ = e.server.Serve(serve) })
}

// shut closes the listener and every connection that hangs. The caller holds
// e.mu.
func (e *Edge) shut() {
	if e.door != nil {
		_ = e.door.Close()
		e.door = nil
	}
	for c := range e.hung {
		reset(c)
	}
}

// follow opens or shuts the door as the present fault asks.
func (e *Edge) follow() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	refused := e.now().kind == refuse
	switch {
	case e.closed, refused == (e.door == nil):
		return nil
	case refused:
		e.shut()
		return nil
	}
	var ln net.Listener
	var err error
	for range 20 { // another process may be passing through the port
		if ln, err = net.Listen("tcp", e.addr.String()); err == nil {
			e.open(ln)
			return nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	return fmt.Errorf("cdntest: the port could not be had again: %w", err)
}

// keepDoor follows faults that change with time.
func (e *Edge) keepDoor() {
	for {
		var next <-chan time.Time
		if f := e.fault.Load(); f.kind == flap {
			next = time.After(f.untilFlip(time.Now()))
		} else if e.follow() != nil {
			next = time.After(time.Second)
		}
		select {
		case <-e.stop:
			return
		case <-e.wake:
		case <-next:
			_ = e.follow() // the next flip tries again
		}
	}
}

// now returns the fault that holds at this moment, never a flap or a ratio.
func (e *Edge) now() Fault { return e.fault.Load().at(time.Now()) }

func (e *Edge) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	switch e.now().kind {
	case wrongCert:
		return &e.certs.wrong, nil
	case expiredCert:
		return &e.certs.expired, nil
	case noCert:
		return nil, nil // crypto/tls then sends the alert unrecognized_name
	}
	return &e.certs.good, nil
}

// serve answers a request as the fault of the moment asks.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) {
	if !e.enter() {
		panic(http.ErrAbortHandler)
	}
	defer e.wg.Done()
	e.requests.Add(1)
	for name, value := range e.options.Header {
		w.Header().Set(name, value)
	}
	switch f := e.now(); f.kind {
	case status:
		w.WriteHeader(f.code)
		fmt.Fprintf(w, "%d %s\n", f.code, http.StatusText(f.code))
	case wrongBody:
		_, _ = io.WriteString(w, "<html><title>Welcome to nginx!</title></html>\n")
	case challenge:
		f.challenge(w)
	case resets:
		cut(w)
	case refuse, hang:
		// The connection was let in before the fault began: a process that
		// is gone or stuck does not answer on it either.
		if f.kind == refuse {
			cut(w)
			return
		}
		e.wait(r.Context(), 0)
	case slow:
		if e.wait(r.Context(), f.delay) {
			_, _ = io.WriteString(w, e.options.Body)
		}
	case stall:
		w.Header().Set("Content-Length", fmt.Sprint(len(e.options.Body)+1))
		_, _ = io.WriteString(w, e.options.Body)
		_ = http.NewResponseController(w).Flush()
		e.wait(r.Context(), 0)
	case redirect:
		w.Header().Set("Location", f.text)
		w.WriteHeader(f.code)
	default:
		_, _ = io.WriteString(w, e.options.Body)
	}
}

// enter counts a request that Close must wait for; false once it is closed.
func (e *Edge) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.wg.Add(1)
	}
	return !e.closed
}

// wait waits for d, or without end when d is 0, and reports whether it was let
// to: it stops when the client leaves or the edge closes.
func (e *Edge) wait(ctx context.Context, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return true
	case <-ctx.Done():
	case <-e.stop:
	}
	return false
}

// cut ends the connection of w with a reset.
func cut(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	reset(c)
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// FreePort returns a TCP port that is free at this moment on every one of
// addrs: the edges of one monitor share a port.
func FreePort(addrs ...netip.Addr) (uint16, error) {
	var last error
	for range 50 {
		port := uint16(0)
		var held []net.Listener
		for _, a := range addrs {
			ln, err := net.Listen("tcp", netip.AddrPortFrom(a, port).String())
			if last = err; err != nil {
				break
			}
			held = append(held, ln)
			port = uint16(ln.Addr().(*net.TCPAddr).Port)
		}
		for _, ln := range held {
			_ = ln.Close()
		}
		if last == nil && port != 0 {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cdntest: no port is free on all of %v: %w", addrs, last)
}
