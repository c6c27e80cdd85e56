package resolver

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	dnsMessage = "application/dns-message" // RFC 8484 §6
	httpHeader = 8 << 10                   // octets of a request's header beside the query in its URL
	streams    = 32                        // requests under way on one connection: each costs some 15 KiB, however small
	untaken    = 4                         // of them, those that may hold a reply that the client does not take
)

// dohSide answers DNS over HTTPS (RFC 8484) through net/http. Every request is
// one query; connections count at the gate like all others.
type dohSide struct {
	gate      *gate
	path      string
	server    *http.Server
	listeners []net.Listener
	desks     chan *desk
	stopped   chan struct{}
	stopOnce  sync.Once
}

// newDoH returns a side without listeners, which computes for up to n requests
// at a time.
func newDoH(a *Answerer, g *gate, n int, path string, k *Keypair) *dohSide {
	d := &dohSide{gate: g, path: path, desks: make(chan *desk, n), stopped: make(chan struct{})}
	for range n {
		d.desks <- &desk{worker: a.Worker()}
	}
	limits := a.settings.Load().tcp
	d.server = &http.Server{
		Handler:           d,
		TLSConfig:         k.config("h2", "http/1.1"),
		ReadHeaderTimeout: limits.Idle,
		ReadTimeout:       limits.Idle,
		WriteTimeout:      limits.Idle,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    httpHeader + base64.RawURLEncoding.EncodedLen(limits.MessageSize),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ConnContext:       withTurns,
		ErrorLog:          log.New(io.Discard, "", 0), // a client's bad handshake is no news
	}
	return d
}

func (d *dohSide) listen(addr netip.AddrPort) (netip.AddrPort, error) {
	l, err := listenTCP(addr)
	if err != nil {
		return addr, err
	}
	d.listeners = append(d.listeners, &gatedListener{l, d.gate})
	return netip.AddrPortFrom(addr.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port()), nil
}

func (d *dohSide) unlisten() {
	last := len(d.listeners) - 1
	d.listeners[last].Close()
	d.listeners = d.listeners[:last]
}

func (d *dohSide) serve() {
	var running sync.WaitGroup
	for _, l := range d.listeners {
		running.Go(func() { d.server.ServeTLS(l, "", "") }) // ends with stop, and for no other reason
	}
	<-d.stopped
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
	running.Wait()
}

func (d *dohSide) stop() { d.stopOnce.Do(func() { close(d.stopped) }) }

func (d *dohSide) close() {
	for _, l := range d.listeners {
		l.Close()
	}
}

// turns is where a request finds the turns of its connection.
type turns struct{}

// withTurns gives the requests of a connection untaken turns: so many replies
// are made at a time. Who asks for large ones on many streams, and then takes
// none of them, has the others wait unmade.
func withTurns(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, turns{}, make(chan struct{}, untaken))
}

// ServeHTTP answers one query (RFC 8484 §4.1). The first line that holds
// decides:
//
//	another path                          404
//	a method other than GET and POST      405
//	GET without dns, or not base64url     400
//	GET with a query too long             414
//	POST of another content type          415
//	POST with a query too long            413
//	what Answer is silent about           400
//	a query                               200, whatever its rcode
//
// Should it panic, the stream ends, and net/http would tell nobody why.
func (d *dohSide) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			d.gate.a.logPanic(fmt.Sprint("a request: ", p))
			panic(http.ErrAbortHandler)
		}
	}()
	if r.URL.Path != d.path {
		fail(w, http.StatusNotFound)
		return
	}
	query, status := queryOf(w, r, d.gate.a.settings.Load().tcp.MessageSize)
	if status != http.StatusOK {
		fail(w, status)
		return
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		fail(w, http.StatusBadRequest)
		return
	}
	turn := r.Context().Value(turns{}).(chan struct{})
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-r.Context().Done(): // the stream or its connection has ended
		return
	}
	reply, personal := d.answer(query, from)
	if len(reply) == 0 {
		fail(w, http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", dnsMessage)
	h.Set("Content-Length", strconv.Itoa(len(reply)))
	h.Set("Cache-Control", cacheControl(reply, personal))
	w.Write(reply)
}

// fail ends a request without a DNS message.
func fail(w http.ResponseWriter, status int) {
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	http.Error(w, http.StatusText(status), status)
}

// queryOf returns the DNS message of a request, of at most longest octets, and
// StatusOK, or why there is none.
func queryOf(w http.ResponseWriter, r *http.Request, longest int) ([]byte, int) {
	switch r.Method {
	case http.MethodGet:
		text := r.URL.Query().Get("dns")
		if len(text) > base64.RawURLEncoding.EncodedLen(longest) {
			return nil, http.StatusRequestURITooLong
		}
		query, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(query) == 0 {
			return nil, http.StatusBadRequest
		}
		return query, http.StatusOK
	case http.MethodPost:
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != dnsMessage {
			return nil, http.StatusUnsupportedMediaType
		}
		query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(longest)))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			return nil, http.StatusRequestEntityTooLarge
		case err != nil:
			return nil, http.StatusBadRequest
		}
		return query, http.StatusOK
	}
	return nil, http.StatusMethodNotAllowed
}

// answer returns the reply to query, and whether it goes by the client's
// address.
func (d *dohSide) answer(query []byte, from netip.AddrPort) (reply []byte, personal bool) {
	k := <-d.desks
	defer func() { d.desks <- k }()
	reply = k.worker.Answer(k.out[:0:maxTCP], query, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now(), HTTPS)
	if len(reply) == 0 {
		return nil, false // and no info, where it is the worker's first
	}
	return bytes.Clone(reply), k.worker.x.info.Scope > 0
}

// cacheControl says for how long caches of HTTP may keep reply: no longer than
// its least TTL (RFC 8484 §5.1), or that of a negative answer (RFC 2308 §5).
// What was chosen by the client's address is for its own cache only.
func cacheControl(reply []byte, personal bool) string {
	ttl, ok := leastTTL(reply)
	switch {
	case !ok:
		return "no-store"
	case personal:
		return "private, max-age=" + strconv.FormatUint(uint64(ttl), 10)
	}
	return "max-age=" + strconv.FormatUint(uint64(ttl), 10)
}

// leastTTL returns the least TTL of the answer section, or of the authority
// section where that is empty; it is false for a reply without either. The
// reply is one of ours, and sound.
func leastTTL(reply []byte) (least uint32, ok bool) {
	at := headerLen
	if binary.BigEndian.Uint16(reply[4:]) > 0 {
		at, _ = skipName(reply, at)
		at += 4
	}
	n := int(binary.BigEndian.Uint16(reply[6:]))
	if n == 0 {
		n = int(binary.BigEndian.Uint16(reply[8:]))
	}
	for range n {
		r, sound := parseRecord(reply, at)
		if !sound {
			return 0, false
		}
		ttl := r.ttl
		if r.rtype == typeSOA && r.end-r.data >= 4 {
			ttl = min(ttl, binary.BigEndian.Uint32(reply[r.end-4:])) // MINIMUM
		}
		if !ok || ttl < least {
			least, ok = ttl, true
		}
		at = r.end
	}
	return least, ok
}
