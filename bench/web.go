//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A fault is what is wrong with a path.
type fault int

const (
	healthy fault = iota
	refuses       // nobody listens, and what was open is closed: a killed process
	resets        // takes connections, and resets them when it is asked
	fails         // answers 500
	hangs         // takes connections and requests, and answers nothing
)

// An edge is a web server that can be told to fail.
type edge struct {
	addr string // with its port
	ln   net.Listener
	srv  *http.Server

	mu      sync.Mutex
	fault   fault
	mended  chan struct{}          // closed when a fault ends
	refused map[string][]time.Time // when a host name was answered 500, since the fault began
}

// newEdge serves at host; port 0 takes a free one.
func newEdge(host string, port int) (*edge, error) {
	e := &edge{addr: fmt.Sprintf("%s:%d", host, port), mended: make(chan struct{})}
	return e, e.open()
}

// open listens and serves.
func (e *edge) open() error {
	ln, err := net.Listen("tcp4", e.addr)
	if err != nil {
		return err
	}
	e.ln, e.addr = ln, ln.Addr().String()
	e.srv = &http.Server{Handler: http.HandlerFunc(e.answer)}
	go e.srv.Serve(ln)
	return nil
}

func (e *edge) close() {
	e.ln.Close() // the server may not know of it yet
	e.srv.Close()
}

// answer answers by the fault of the moment.
func (e *edge) answer(rw http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	fault, mended := e.fault, e.mended
	e.mu.Unlock()
	switch fault {
	case fails:
		host, _, _ := strings.Cut(r.Host, ":")
		rw.WriteHeader(http.StatusInternalServerError)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.refused[host] = append(e.refused[host], time.Now())
	case resets:
		if c, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	case hangs:
		select {
		case <-mended:
		case <-r.Context().Done():
		}
	default:
		fmt.Fprintln(rw, "ok")
	}
}

// fail gives e a fault.
func (e *edge) fail(f fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault, e.refused = f, map[string][]time.Time{}
	if f == refuses {
		e.close()
	}
}

// mend ends the fault.
func (e *edge) mend() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.mended)
	e.mended = make(chan struct{})
	was := e.fault
	e.fault = healthy
	if was != refuses {
		return nil
	}
	return e.open()
}

// failures returns when probes for the host name were answered 500.
func (e *edge) failures(host string) []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refused[host]
}

// edgesOnOnePort serves at each of hosts, all at one port, which it returns.
func edgesOnOnePort(hosts []string) (all []*edge, port int, err error) {
	for range 20 { // the port of the first may be taken on another
		all, port = nil, 0
		for _, host := range hosts {
			var e *edge
			if e, err = newEdge(host, port); err != nil {
				break
			}
			all = append(all, e)
			port = e.port()
		}
		if err == nil {
			return all, port, nil
		}
		for _, e := range all {
			e.close()
		}
	}
	return nil, 0, errors.Join(errors.New("no port is free on all addresses"), err)
}

func (e *edge) port() (port int) {
	fmt.Sscanf(e.addr[strings.LastIndexByte(e.addr, ':')+1:], "%d", &port)
	return port
}

// A web is the web servers that answer the probes, one on each path and all on
// one port. The first path can be told to fail.
type web struct {
	port  int
	first *edge
}

// serveWeb answers 200 to every request as long as we live.
func serveWeb() (*web, error) {
	all, port, err := edgesOnOnePort(paths[:])
	if err != nil {
		return nil, err
	}
	return &web{port: port, first: all[0]}, nil
}
