package xfr

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"

	"github.com/miekg/dns"
)

const (
	// fill is how many octets of records a message takes before it is sent.
	fill = 32 << 10

	// patience is how long one message may take to be written. A secondary that
	// reads more slowly than that is cut off, and asks again.
	patience = 20 * time.Second

	reach = 0x4000 // beyond it no compression pointer leads (RFC 1035 §4.1.4)
)

// A writer sends the records of one transfer in as few messages as they fit
// into, each of them signed where the request was.
type writer struct {
	conn     net.Conn
	id       uint16
	question []byte // in wire form
	origin   []byte // the name of it, as lower case
	edns     bool   // the first message has OPT (RFC 5936 §2.2.5)
	key      *key   // nil: not signed
	mac      []byte // of the message before, or of the request
	now      func() time.Time

	msg    []byte // with two octets of length before it
	count  int    // records in it
	owner  []byte // of the last record, and where it is
	at     int
	sent   int64 // octets
	writes int   // messages
}

// begin begins a message: header and question.
func (w *writer) begin() {
	w.msg = append(w.msg[:0], make([]byte, 2+headerLen)...)
	w.msg = append(w.msg, w.question...)
	w.count, w.at = 0, 0
}

// record adds one record, uncompressed, to the message, which is sent first
// where it is full.
func (w *writer) record(rr []byte) error {
	if w.msg == nil {
		w.begin()
	}
	if w.count > 0 && len(w.msg)+len(rr) > fill {
		if err := w.flush(); err != nil {
			return err
		}
		w.begin()
	}
	n := ownerLen(rr)
	w.name(rr[:n])
	w.msg = append(w.msg, rr[n:]...)
	w.count++
	return nil
}

// name appends an owner: as a pointer to the same one before, or with one to
// the zone's name in the question.
func (w *writer) name(owner []byte) {
	here := len(w.msg) - 2
	if w.at > 0 && bytes.Equal(owner, w.owner) {
		w.msg = append(w.msg, 0xc0|byte(w.at>>8), byte(w.at))
		return
	}
	if here < reach {
		w.owner, w.at = append(w.owner[:0], owner...), here
	}
	rest := owner
	for len(rest) > len(w.origin) {
		w.msg = append(w.msg, rest[:rest[0]+1]...)
		rest = rest[rest[0]+1:]
	}
	if len(rest) > 1 && bytes.Equal(rest, w.origin) {
		w.msg = append(w.msg, 0xc0, headerLen)
		return
	}
	w.msg = append(w.msg, rest...)
}

// records adds all of several records.
func (w *writer) records(all []byte) error {
	for rr := range records(all) {
		if err := w.record(rr); err != nil {
			return err
		}
	}
	return nil
}

// flush sends the message.
func (w *writer) flush() error {
	msg := w.msg[2:]
	binary.BigEndian.PutUint16(msg, w.id)
	msg[2], msg[3] = 0x84, 0 // a response, authoritative
	msg[5] = 1
	binary.BigEndian.PutUint16(msg[6:], uint16(w.count))
	if w.edns {
		msg = append(msg, 0, 0, byte(dns.TypeOPT), 1232>>8, 1232&0xff, 0, 0, 0, 0, 0, 0)
		msg[11] = 1
		w.edns = false
	}
	if w.key != nil {
		msg, w.mac = w.key.sign(msg, w.mac, w.writes > 0, w.now())
	}
	w.msg = append(w.msg[:2], msg...)
	binary.BigEndian.PutUint16(w.msg, uint16(len(w.msg)-2))
	w.conn.SetWriteDeadline(time.Now().Add(patience))
	n, err := w.conn.Write(w.msg)
	w.sent += int64(n)
	w.writes++
	return err
}
