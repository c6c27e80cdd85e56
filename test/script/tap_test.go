package script

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"

	dnstap "github.com/dnstap/golang-dnstap"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"
)

// tapCommands are those about readers of dnstap.
func tapCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"reader": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "reader")
			s := stageOf(ts)
			switch {
			case len(args) == 2 && args[0] == "start":
				s.reader = startReader(ts, args[1])
			case len(args) == 1 && args[0] == "end":
				s.reader.end()
			case len(args) == 2 && args[0] == "file":
				ts.Check(readTap(ts.MkAbs(args[1]), &s.reader.tap))
			case len(args) == 2 && args[0] == "has":
				want := regexp.MustCompile("(?m)^" + args[1] + "$")
				if !within(patience, func() bool { return want.MatchString(s.reader.text()) }) {
					ts.Fatalf("reader: no line %s in\n%s", want, s.reader.text())
				}
			default:
				ts.Fatalf("usage: reader start SOCKET | end | file FILE | has REGEXP")
			}
		},
	}
}

// A tapReader is a reader of dnstap that listens on a unix socket, or on
// loopback, and writes a line for each message.
type tapReader struct {
	l   net.Listener
	tap taptext

	mu    sync.Mutex
	conns []net.Conn
}

// A taptext is what messages said.
type taptext struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *tapReader) text() string {
	r.tap.mu.Lock()
	defer r.tap.mu.Unlock()
	return r.tap.b.String()
}

// startReader listens on a socket; "tcp" is a free port, which $READER is then.
func startReader(ts *testscript.TestScript, where string) *tapReader {
	network, addr := "unix", ts.MkAbs(where)
	if where == "tcp" {
		network, addr = "tcp", "127.0.0.1:0"
	}
	l, err := net.Listen(network, addr)
	ts.Check(err)
	ts.Setenv("READER", l.Addr().String())
	r := &tapReader{l: l}
	ts.Defer(r.end)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			go func() {
				if in, err := dnstap.NewFrameStreamInputTimeout(c, true, patience); err == nil {
					r.tap.read(in)
				}
			}()
		}
	}()
	return r
}

// end closes the reader and its connections.
func (r *tapReader) end() {
	r.l.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

// readTap reads a file of messages into t.
func readTap(path string, t *taptext) error {
	in, err := dnstap.NewFrameStreamInputFromFilename(path)
	if err == nil {
		t.read(in)
	}
	return err
}

// read writes a line for each message that comes:
//
//	AUTH_QUERY udp 127.0.0.0 www.example.test. A
//	AUTH_RESPONSE udp 127.0.0.0 www.example.test. A NOERROR
func (t *taptext) read(in *dnstap.FrameStreamInput) {
	frames := make(chan []byte)
	go func() {
		in.ReadInto(frames)
		close(frames)
	}()
	for f := range frames {
		var d dnstap.Dnstap
		if err := proto.Unmarshal(f, &d); err != nil {
			continue
		}
		m := d.Message
		raw, rcode := m.QueryMessage, ""
		var msg dns.Msg
		if m.GetType() == dnstap.Message_AUTH_RESPONSE {
			raw = m.ResponseMessage
		}
		if msg.Unpack(raw) != nil || len(msg.Question) != 1 {
			continue
		}
		if msg.Response {
			rcode = " " + dns.RcodeToString[msg.Rcode]
		}
		q := msg.Question[0]
		t.mu.Lock()
		fmt.Fprintf(&t.b, "%s %s %s %s %s%s\n", m.GetType(), strings.ToLower(m.GetSocketProtocol().String()), net.IP(m.QueryAddress), q.Name, dns.TypeToString[q.Qtype], rcode)
		t.mu.Unlock()
	}
}
