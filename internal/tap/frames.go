package tap

import (
	"errors"
	"net"
	"time"

	dnstap "github.com/dnstap/golang-dnstap"
	framestream "github.com/farsightsec/golang-framestream"
	"google.golang.org/protobuf/proto"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver"
)

const (
	frameTimeout = time.Second            // for a connection, a write and the farewell
	leastRetry   = 250 * time.Millisecond // after a failure, doubled up to mostRetry
	mostRetry    = 10 * time.Second
)

// errAway is the failure of a connection that the reader closed.
var errAway = errors.New("the reader has gone away")

// A frameConn sends dnstap messages to a reader that listens, and looks for it
// again when it has gone.
type frameConn struct {
	who           identity
	network, addr string
	out           *framestream.Writer // nil: not connected
	conn          net.Conn
	err           error // why out is nil
	retryAt       time.Time
	retry         time.Duration
}

func newFrameConn(d config.Tap, who identity) *frameConn {
	if d.Socket != "" {
		return &frameConn{who: who, network: "unix", addr: d.Socket}
	}
	return &frameConn{who: who, network: "tcp", addr: d.Address}
}

// connect connects where it is not connected, unless it failed just now.
func (f *frameConn) connect() error {
	if f.out != nil {
		return nil
	}
	if time.Now().Before(f.retryAt) {
		return f.err
	}
	conn, err := net.DialTimeout(f.network, f.addr, frameTimeout)
	if err != nil {
		return f.fail(err)
	}
	f.conn = conn
	if f.out, err = framestream.NewWriter(conn, &framestream.WriterOptions{
		ContentTypes: [][]byte{dnstap.FSContentType}, Bidirectional: true, Timeout: frameTimeout,
	}); err != nil {
		return f.fail(err)
	}
	f.retry = 0
	return nil
}

// fail lets go of the connection, and waits before the next.
func (f *frameConn) fail(err error) error {
	if f.conn != nil {
		f.conn.Close()
	}
	f.out, f.conn, f.err = nil, nil, err
	f.retry = min(max(2*f.retry, leastRetry), mostRetry)
	f.retryAt = time.Now().Add(f.retry)
	return f.err
}

func (f *frameConn) write(r *record) error {
	if err := f.connect(); err != nil {
		return err
	}
	if err := writeFrames(f.out, r, f.who); err != nil {
		return f.fail(err)
	}
	return nil
}

func (f *frameConn) flush() error {
	if err := f.connect(); err != nil { // also while nothing is asked, so that the reader sees us come
		return err
	}
	if gone(f.conn) {
		return f.fail(errAway)
	}
	if err := f.out.Flush(); err != nil {
		return f.fail(err)
	}
	return nil
}

func (f *frameConn) close() {
	if f.out != nil {
		f.out.Close() // says that it is the end; whether the reader answers does not matter
		f.conn.Close()
	}
}

// A frameFile writes dnstap messages to a file.
type frameFile struct {
	who  identity
	file *file
	out  *framestream.Writer
}

func newFrameFile(d config.Tap, who identity) *frameFile {
	return &frameFile{who: who, file: &file{path: d.File, fresh: true}}
}

// open opens the file anew where it is not open, or was moved away.
func (f *frameFile) open() error {
	if f.out != nil && !f.file.moved() {
		return nil
	}
	f.end()
	w, err := f.file.open()
	if err != nil {
		return err
	}
	f.out, err = framestream.NewWriter(w, &framestream.WriterOptions{ContentTypes: [][]byte{dnstap.FSContentType}})
	if err != nil {
		f.out = nil
		f.file.close()
	}
	return err
}

func (f *frameFile) write(r *record) error {
	if f.out == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	err := writeFrames(f.out, r, f.who)
	if err != nil {
		f.out = nil
		f.file.close()
	}
	return err
}

func (f *frameFile) flush() error {
	if err := f.open(); err != nil {
		return err
	}
	err := f.out.Flush()
	if err != nil {
		f.out = nil
		f.file.close()
	}
	return err
}

// end closes the stream, if there is one.
func (f *frameFile) end() {
	if f.out != nil {
		f.out.Close()
		f.file.close()
		f.out = nil
	}
}

func (f *frameFile) close() { f.end() }

// writeFrames writes r as two messages: AUTH_QUERY, and AUTH_RESPONSE where
// there was a reply.
func writeFrames(w *framestream.Writer, r *record, who identity) error {
	if err := writeFrame(w, who, message(r, dnstap.Message_AUTH_QUERY)); err != nil || len(r.reply) == 0 {
		return err
	}
	return writeFrame(w, who, message(r, dnstap.Message_AUTH_RESPONSE))
}

// message returns one of the two messages of r.
func message(r *record, kind dnstap.Message_Type) *dnstap.Message {
	m := &dnstap.Message{
		Type: kind.Enum(), SocketFamily: dnstap.SocketFamily_INET6.Enum(), SocketProtocol: protocol(r.transport),
		QueryAddress: r.client.Addr().AsSlice(),
		QueryTimeSec: proto.Uint64(uint64(r.at.Unix())), QueryTimeNsec: proto.Uint32(uint32(r.at.Nanosecond())),
	}
	if r.client.Addr().Is4() {
		m.SocketFamily = dnstap.SocketFamily_INET.Enum()
	}
	if port := r.client.Port(); port != 0 {
		m.QueryPort = proto.Uint32(uint32(port))
	}
	if kind == dnstap.Message_AUTH_QUERY {
		m.QueryMessage = r.query
		return m
	}
	m.ResponseMessage = r.reply
	m.ResponseTimeSec, m.ResponseTimeNsec = proto.Uint64(uint64(r.done.Unix())), proto.Uint32(uint32(r.done.Nanosecond()))
	return m
}

func writeFrame(w *framestream.Writer, who identity, m *dnstap.Message) error {
	b, err := proto.Marshal(&dnstap.Dnstap{Type: dnstap.Dnstap_MESSAGE.Enum(), Identity: []byte(who.node), Version: []byte(who.version), Message: m})
	if err != nil {
		return err
	}
	_, err = w.WriteFrame(b)
	return err
}

// protocol returns tr as dnstap has it.
func protocol(tr resolver.Transport) *dnstap.SocketProtocol {
	switch tr {
	case resolver.TCP:
		return dnstap.SocketProtocol_TCP.Enum()
	case resolver.TLS:
		return dnstap.SocketProtocol_DOT.Enum()
	case resolver.HTTPS:
		return dnstap.SocketProtocol_DOH.Enum()
	}
	return dnstap.SocketProtocol_UDP.Enum()
}
