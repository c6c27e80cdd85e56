//go:build linux

package main

import (
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
	refuses       // nobody listens
	fails         // answers 500
	hangs         // takes connections and requests, and answers nothing
)

// A web is the web servers that answer the probes, one on each path and all on
// one port. The first path can be told to fail.
type web struct {
	port  int
	first *http.Server

	mu      sync.Mutex
	fault   fault
	mended  chan struct{}          // closed when a fault ends
	refused map[string][]time.Time // when a host name was answered 500, since the fault began
}

// serveWeb answers 200 to every request as long as we live.
func serveWeb() (*web, error) {
	var err error
	for range 20 {
		w := &web{mended: make(chan struct{})}
		var all []net.Listener
		for _, path := range paths {
			var ln net.Listener
			if ln, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", path, w.port)); err != nil {
				break
			}
			all = append(all, ln)
			w.port = ln.Addr().(*net.TCPAddr).Port
		}
		if err != nil { // the port of the first path is taken on another
			for _, ln := range all {
				ln.Close()
			}
			continue
		}
		w.first = &http.Server{Handler: http.HandlerFunc(w.answerFirst)}
		go w.first.Serve(all[0])
		for _, ln := range all[1:] {
			go http.Serve(ln, http.HandlerFunc(answerWell))
		}
		return w, nil
	}
	return nil, err
}

func answerWell(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "ok") }

// answerFirst answers on the first path, by the fault of the moment.
func (w *web) answerFirst(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	fault, mended := w.fault, w.mended
	w.mu.Unlock()
	switch fault {
	case fails:
		host, _, _ := strings.Cut(r.Host, ":")
		rw.WriteHeader(http.StatusInternalServerError)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refused[host] = append(w.refused[host], time.Now())
	case hangs:
		select {
		case <-mended:
		case <-r.Context().Done():
		}
	default:
		answerWell(rw, r)
	}
}

// breakFirst gives the first path a fault.
func (w *web) breakFirst(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault, w.refused = f, map[string][]time.Time{}
	if f == refuses {
		w.first.Close()
	}
}

// mendFirst ends the fault.
func (w *web) mendFirst() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.mended)
	w.mended = make(chan struct{})
	was := w.fault
	w.fault = healthy
	if was != refuses {
		return nil
	}
	ln, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", paths[0], w.port))
	if err != nil {
		return err
	}
	w.first = &http.Server{Handler: http.HandlerFunc(w.answerFirst)}
	go w.first.Serve(ln)
	return nil
}

// failures returns when probes for the host name were answered 500.
func (w *web) failures(host string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused[host]
}
