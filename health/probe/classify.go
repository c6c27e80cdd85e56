package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// stage is how far a probe came.
type stage uint8

const (
	asking      stage = iota // a datagram is out: silence may be the network's
	connecting               // no connection yet
	handshaking              // connected; no TLS yet
	waiting                  // asked over a connection; not an octet back
	reading                  // the answer has begun
	answered                 // the answer is whole
)

// A sight is what a probe saw, as far as it tells one failure from another.
// Its fields are read by classify alone; a kind sets those that it has.
type sight struct {
	kind   config.Kind
	from   string        // the endpoint's address
	host   string        // the name that was asked for
	budget time.Duration // that the probe had

	stage    stage
	err      error       // that ended the probe before it was answered
	status   int         // HTTP status or DNS rcode
	header   http.Header // of an HTTP answer
	body     []byte      // at most maxRead octets of it
	accepted bool        // the status is one of those the monitor accepts
	missing  string      // the condition that the answer fails; "" when it fails none
	redirect string      // where a redirect that was not followed leads
	certEnd  time.Time   // earliest end in the certificate chain
	lapsed   bool        // the certificate has ended since the handshake
	clock    time.Time   // what the other end's clock showed
}

// classify returns the class of what s shows, and why in plain words; None
// and "" for a success.
func classify(s sight) (health.Class, string) {
	switch {
	case s.err != nil:
		return classifyError(s)
	case s.lapsed:
		return health.TLSFailure, fmt.Sprintf("TLS with %s: the certificate ended on %s", s.from, day(s.certEnd))
	case s.kind == config.HTTP, s.kind == config.HTTPS:
		return classifyHTTP(s)
	case s.kind == config.DNS_ && !s.accepted:
		return health.Status, fmt.Sprintf("%s from %s for %s", rcodeText(s.status), s.from, s.host)
	case s.missing != "":
		return health.WrongBody, fmt.Sprintf("answer of %s lacks %s: %s", s.from, s.missing, found(s.body))
	}
	return health.None, ""
}

// classifyError tells why a probe was not answered.
//
//	stage                 err                             class
//	any                   cancelled, we lack something    internal
//	asking, connecting    timed out, no route             network
//	connecting            refused, reset                  refused
//	handshaking           certificate, no TLS             tls
//	any                   TLS alert                       tls
//	later                 timed out                       slow
//	later                 reset, closed early             refused
//	reading               not the protocol                wrong-body
func classifyError(s sight) (health.Class, string) {
	err := s.err
	if why := ourFault(err); why != "" {
		return health.Internal, "could not probe " + s.from + ": " + why
	}
	switch {
	case isTimeout(err):
		return slowOrNetwork(s)
	case errors.Is(err, syscall.ECONNREFUSED):
		return health.Refused, s.from + " refused the connection"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTDOWN):
		return health.Network, "no route to " + s.from + family(s.from)
	case isReset(err):
		return health.Refused, s.from + " reset the connection" + during(s.stage)
	case s.stage == handshaking, alerted(err):
		if why := tlsReason(err); why != "" {
			return health.TLSFailure, "TLS with " + s.from + ": " + why
		}
	}
	switch {
	case isClosed(err):
		return health.Refused, s.from + " closed the connection" + during(s.stage)
	case s.stage == connecting, s.stage == asking:
		return health.Network, "no connection to " + s.from + ": " + plain(err)
	case s.stage == handshaking:
		return health.TLSFailure, "TLS with " + s.from + " failed: " + plain(err)
	}
	return health.WrongBody, fmt.Sprintf("%s answered, but not with %s: %s", s.from, protocol(s.kind), plain(err))
}

// slowOrNetwork tells a connection that never came from an answer that never
// came.
func slowOrNetwork(s sight) (health.Class, string) {
	switch s.stage {
	case asking:
		return health.Network, fmt.Sprintf("no answer from %s within %s", s.from, span(s.budget))
	case connecting:
		return health.Network, fmt.Sprintf("no connection to %s within %s", s.from, span(s.budget))
	case handshaking:
		return health.Slow, fmt.Sprintf("connected to %s, but TLS was not ready within %s", s.from, span(s.budget))
	case reading:
		return health.Slow, fmt.Sprintf("the answer of %s began, but did not end within %s", s.from, span(s.budget))
	}
	return health.Slow, fmt.Sprintf("connected to %s, but no answer came within %s", s.from, span(s.budget))
}

// classifyHTTP judges a whole HTTP answer.
//
//	status                             condition  challenge marker  class
//	accepted                           met        -                 none
//	any                                -          yes               challenge
//	502, 504                           -          no                origin-5xx
//	521–526, 530 from Cloudflare       -          no                origin-5xx
//	other 5xx, not accepted            -          no                edge-5xx
//	other, not accepted                -          no                status
//	accepted                           failed     no                wrong-body
func classifyHTTP(s sight) (health.Class, string) {
	if s.accepted && s.missing == "" {
		return health.None, ""
	}
	what := fmt.Sprintf("HTTP %d from %s", s.status, s.from)
	if vendor := challenger(s.status, s.header, s.body); vendor != "" {
		return health.Challenge, what + " is a bot challenge (" + vendor + ")"
	}
	switch {
	case s.accepted:
		if s.missing != "" && !strings.HasPrefix(s.missing, "the header") {
			return health.WrongBody, what + ", but the body lacks " + s.missing + ": " + found(s.body)
		}
		return health.WrongBody, what + ", but " + s.missing + " is not there"
	case s.redirect != "":
		return health.Status, what + " " + s.redirect
	case s.status < 500:
		return health.Status, what + server(s.header, "", "")
	case originFailed(s.status, s.header):
		return health.Origin5xx, what + server(s.header, "its origin failed", ", says ")
	}
	return health.Edge5xx, what + server(s.header, "edge", ", ")
}

// originFailed reports whether the edge says that it was its origin that
// failed. 52x and 530 are Cloudflare's own; from others they mean nothing.
func originFailed(status int, h http.Header) bool {
	switch status {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case 521, 522, 523, 524, 525, 526, 530:
		return strings.HasPrefix(strings.ToLower(h.Get("Server")), "cloudflare") || h.Get("Cf-Ray") != ""
	}
	return false
}

// server returns the Server field of h in brackets, after what is said of it
// and the word that joins the two: a short form, since it ends up in the line
// of a pool.
func server(h http.Header, of, join string) string {
	if of == "" {
		if name := printable(h.Get("Server"), 40); name != "" {
			return " (server: " + name + ")"
		}
		return ""
	}
	if name := printable(h.Get("Server"), 24); name != "" {
		of += join + name
	}
	return " (" + of + ")"
}

// found says how a text begins that is not what was expected.
func found(text []byte) string {
	start := printable(string(text[:min(len(text), 1024)]), 80)
	if start == "" {
		return "it is empty"
	}
	return "it begins “" + start + "”"
}

// ourFault says what kept us from asking: nothing the endpoint did.
func ourFault(err error) string {
	var lacks lackError
	switch {
	case errors.As(err, &lacks):
		return lacks.Error()
	case errors.Is(err, context.Canceled):
		return "it was cancelled"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files (raise LimitNOFILE or ulimit -n)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no local address or port to send from" // ephemeral ports used up, or no address of this family
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "this host does not allow it (a local firewall or a prohibit route)"
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return "this host has no such address family"
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return "the kernel is out of memory for sockets"
	}
	return ""
}

// A lackError is a privilege or a part that this host lacks.
type lackError string

func (e lackError) Error() string { return string(e) }

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		(errors.As(err, &t) && t.Timeout())
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPIPE)
}

func isClosed(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// during says in which part of a conversation something happened.
func during(s stage) string {
	switch s {
	case handshaking:
		return " during the TLS handshake"
	case waiting:
		return " before it answered"
	case reading:
		return " in the middle of its answer"
	}
	return ""
}

// plain returns the last words of err, without the addresses and operations
// that the net package puts before them.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return printable(err.Error(), 120)
}

// family points at the usual cause where an IPv6 address has no route.
func family(addr string) string {
	if strings.Contains(addr, ":") {
		return " (does this host have IPv6?)"
	}
	return ""
}

func protocol(k config.Kind) string {
	switch k {
	case config.DNS_:
		return "DNS"
	case config.HTTP, config.HTTPS:
		return "HTTP"
	}
	return "what was expected"
}

// span returns d rounded for people.
func span(d time.Duration) string {
	if d > time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}
