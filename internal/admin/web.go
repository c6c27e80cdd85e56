package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// mostConns is how many connections each listener of HTTP holds.
	mostConns = 500

	// slowest is how long one request may take to come in, or its answer to go
	// out; events are not bound by it.
	slowest = 2 * time.Minute
)

// ListenWeb opens a listener for ServeWeb at addr.
func ListenWeb(addr netip.AddrPort) (net.Listener, error) {
	family := "tcp6" // alone: [::] beside 0.0.0.0 is no clash
	if addr.Addr().Is4() {
		family = "tcp4"
	}
	l, err := net.Listen(family, addr.String())
	if err != nil {
		return nil, fmt.Errorf("listen.web: %w%s", err, mendListen(err))
	}
	return limited(l, addr.Addr()), nil
}

// mendListen says what to do about a listener that did not open.
func mendListen(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another server has the port (ss -lntp shows which)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine has no such address (ip address lists those it has)"
	}
	return ""
}

// limited bounds the connections of l, which listens at addr: of all, and of
// each client, but on loopback, where a proxy may be one for all.
func limited(l net.Listener, addr netip.Addr) net.Listener {
	if !addr.IsLoopback() {
		l = &fair{Listener: l, held: map[netip.Prefix]int{}}
	}
	return netutil.LimitListener(l, mostConns)
}

// ServeWeb answers requests from l until ctx ends, by HTTPS where conf is not
// nil. Requests under way get a second then, and are over when it returns.
func (s *Server) ServeWeb(ctx context.Context, l net.Listener, conf *tls.Config) error {
	srv := &http.Server{
		Handler:           s.recovered(s.web(conf != nil)),
		TLSConfig:         conf,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	return s.serve(ctx, srv, l)
}

// web is what listen.web serves: log-in, API, metrics and pages.
func (s *Server) web(secure bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { s.logIn(w, r, secure) })
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { s.logOut(w, r, secure) })
	mux.Handle("/v1/", s.API())
	mux.Handle("GET /metrics", readers(s.Metrics))
	if s.Pages != nil {
		mux.Handle("/", s.Pages)
	}
	inside := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if s.healthy(w, r) {
			return
		}
		if why := s.misled(r); why != "" {
			fail(w, http.StatusMisdirectedRequest, why)
			return
		}
		if lured(r) {
			fail(w, http.StatusForbidden, "this is for programs and our own pages, and a page of another site asked")
			return
		}
		deadline(w, slowest)
		who, ok := s.know(w, r, secure)
		if !ok {
			return
		}
		inside.ServeHTTP(w, r.WithContext(WithWho(r.Context(), who)))
	})
}

// healthy answers r where it asks how the node is: that is told to everybody,
// by whatever name they call us, and whatever token they show.
func (s *Server) healthy(w http.ResponseWriter, r *http.Request) bool {
	if s.Health == nil || r.URL.Path != "/healthz" && r.URL.Path != "/readyz" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	deadline(w, slowest)
	s.Health.ServeHTTP(w, r)
	return true
}

// deadline gives the rest of a request so long.
func deadline(w http.ResponseWriter, d time.Duration) {
	c := http.NewResponseController(w)
	// An error means that this kind of connection has no deadlines.
	_ = c.SetReadDeadline(time.Now().Add(d))
	_ = c.SetWriteDeadline(time.Now().Add(d))
}

// fail answers with an error as the API does.
func fail(w http.ResponseWriter, code int, why string) { reply(w, code, Fault{Error: why}) }

// readers lets those use h who may read.
func readers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case h == nil:
			http.NotFound(w, r)
		case RightsOf(r.Context()) == none:
			unknown(w)
		case !RightsOf(r.Context()).Read:
			fail(w, http.StatusForbidden, "this needs the right to read, which this token does not have")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// unknown answers one who must say who they are.
func unknown(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="shunt"`)
	fail(w, http.StatusUnauthorized, "say who you are: Authorization: Bearer TOKEN, with a token of shunt token new")
}

// misled says why r is not for us, "" where it is: where nobody needs a token,
// a name that somebody else's DNS leads to this machine must not let their
// pages read what is here.
func (s *Server) misled(r *http.Request) string {
	if s.Tokens != nil {
		return ""
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return ""
	}
	return fmt.Sprintf("without tokens only localhost and addresses are served, not %q (set listen.tokens)", host)
}

// lured reports whether a page of somebody else has a browser ask for what is no
// page: it could not read the answer, but where nobody needs a token, or to
// read costs something, as a plan does of providers, asking is enough.
func lured(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != "/metrics" {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site" // another port is one
}

// know says who r is from; it has answered where ok is false.
//
//	tokens in use   shows            is
//	no              any              anybody: may read
//	yes             a bearer token   the token's name and rights, else refused
//	yes             a session        those of the token it began with, if that still holds
//	yes             nothing          unknown: may log in
func (s *Server) know(w http.ResponseWriter, r *http.Request, secure bool) (who Who, ok bool) {
	from := remote(r)
	who = Who{Via: "web " + from.String()}
	if s.Tokens == nil {
		who.Rights = read
		return who, true
	}
	now := time.Now()
	if kind, shown, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		t, ok := s.Tokens.Find(strings.TrimSpace(shown), now)
		if ok {
			who.Name, who.Rights, who.Feeds, who.token = t.Name, t.Rights, t.SpeaksFor(), t.hash
			return who, true
		}
		if !s.tries.left(from, now, triesAtOnce) {
			slowDown(w, "too many wrong tokens from this address")
			return who, false
		}
		s.tries.wrong(from, now)
		s.Log.Warn("a token was refused", "from", from)
		unknown(w)
		return who, false
	}
	cookie, err := r.Cookie(cookieName(secure))
	if err != nil {
		return who, true
	}
	if hash, open := s.sessions.token(cookie.Value, now); open {
		if t, ok := s.Tokens.find(hash, now); ok {
			who.Name, who.Rights, who.Feeds, who.Session, who.token, who.cookie = t.Name, t.Rights, t.SpeaksFor(), true, hash, cookie.Value
		}
	}
	return who, true
}

// slowDown answers one who has done too often what is wrong, and says why.
func slowDown(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", fmt.Sprint(int(tryEvery.Seconds())))
	fail(w, http.StatusTooManyRequests, why+"; wait a little")
}

// remote returns the address r is from.
func remote(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero Addr for what is none
	return ap.Addr().Unmap()
}

// cookieName is that of the session's cookie. Over HTTPS its prefix keeps other
// hosts of the same domain from setting it (RFC 6265bis §4.1.3.2).
func cookieName(secure bool) string {
	if secure {
		return "__Host-shunt"
	}
	return "shunt"
}

// logIn opens a session for who shows a token.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request, secure bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	next := Local(r.PostFormValue("next"))
	if s.Tokens == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	from, now := remote(r), time.Now()
	if !s.tries.left(from, now, triesAtOnce) {
		slowDown(w, "too many wrong tokens from this address")
		return
	}
	t, ok := s.Tokens.Find(strings.TrimSpace(r.PostFormValue("token")), now)
	if !ok {
		s.tries.wrong(from, now)
		s.Log.Warn("log-in refused", "from", from)
		http.Redirect(w, r, "/login?wrong=1&next="+url.QueryEscape(next), http.StatusSeeOther)
		return
	}
	s.Log.Info("logged in", "token", t.Name, "rights", t.Rights.String(), "from", from)
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure), Value: s.sessions.begin(t, now), Path: "/", MaxAge: int(sessionLasts.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// logOut ends the session of r.
func (s *Server) logOut(w http.ResponseWriter, r *http.Request, secure bool) {
	if cookie, err := r.Cookie(cookieName(secure)); err == nil {
		s.sessions.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(secure), Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// Local returns next where it is an address of ours, else the first page: who
// logs in here is sent nowhere else.
func Local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") {
		return "/"
	}
	return next
}

// serve serves l until ctx ends.
func (s *Server) serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	srv.BaseContext = func(net.Listener) context.Context { return context.WithValue(context.Background(), stopKey{}, ctx) }
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
	})
	var err error
	if srv.TLSConfig != nil {
		err = srv.ServeTLS(l, "", "")
	} else {
		err = srv.Serve(l)
	}
	if !stop() {
		<-over
		return nil
	}
	return err
}

// stopKey is where a request finds the context that ends when its server does.
type stopKey struct{}
