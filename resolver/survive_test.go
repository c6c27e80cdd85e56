package resolver

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// An ill listener fails some times before it accepts.
type ill struct {
	net.Listener
	with []error
}

func (l *ill) Accept() (net.Conn, error) {
	if len(l.with) == 0 {
		return l.Listener.Accept()
	}
	err := &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.with[0])}
	l.with = l.with[1:]
	return nil, err
}

// TestAcceptGoesOn: errors of accept(2) that pass do not end DNS over HTTPS.
func TestAcceptGoesOn(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := workerForTest(t, settingsForTest())
	l := &gatedListener{&ill{inner, []error{syscall.ENOMEM, syscall.EPROTO, syscall.EHOSTUNREACH, syscall.EMFILE}}, newGate(a)}
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	inner.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

// TestPanicEndsOne: a panic outside of Worker.Answer is logged, and ends one
// connection or request.
func TestPanicEndsOne(t *testing.T) {
	var said bytes.Buffer
	a := NewAnswerer(settingsForTest(), 1, slog.New(slog.NewTextHandler(&said, nil)))
	a.Swap(snapshotForTest(t))
	www := dnstest.Ask(t, "www.example.test. A")

	v := newVault(t)
	doh := newDoH(a, newGate(a), 1, "/dns-query", v.read(t))
	r := httptest.NewRequest("POST", "/dns-query", bytes.NewReader(www)) // of no connection: a bug, played
	r.Header.Set("Content-Type", dnsMessage)
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("the request ended with %v", p)
			}
		}()
		doh.ServeHTTP(w, r)
	}()
	if !strings.Contains(said.String(), "a request: ") || w.Body.Len() > 0 {
		t.Errorf("log %q, body %q", said.String(), w.Body)
	}

	side := newPlain(a, newGate(a), 1, TCP)
	d := <-side.desks
	side.desks <- &desk{} // without a worker: another one
	peer, server := net.Pipe()
	c := &plainConn{side: side, conn: server, raw: server, talk: talk{from: client, tr: TCP}}
	c.seat.owner = c
	if !side.admit(c) {
		t.Fatal("not admitted")
	}
	go c.serve()
	peer.Write(dnstest.Frames(www))
	if rest, _ := io.ReadAll(peer); len(rest) > 0 {
		t.Errorf("got %x", rest)
	}
	side.ended.Wait()
	if !strings.Contains(said.String(), "a connection: ") {
		t.Errorf("log %q", said.String())
	}
	<-side.desks
	side.desks <- d
}
