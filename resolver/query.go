package resolver

import (
	"encoding/binary"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// The parts of a header (RFC 1035 §4.1.1), as bits of its second word.
const (
	headerLen = 12

	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8

	opcodeMask = 0xf << 11
	rcodeMask  = 0xf
)

// The rcodes we send (RFC 6895 §2.3).
const (
	rcodeSuccess  = 0
	rcodeFormErr  = 1
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImp   = 4
	rcodeRefused  = 5
	rcodeNotAuth  = 9
	rcodeBadVers  = 16
)

// The types and classes that are handled here rather than looked up.
const (
	typeSOA    = 6
	typeTXT    = 16
	typeOPT    = 41
	typeNXNAME = 128 // RFC 9824 §3.5
	typeTKEY   = 249
	typeTSIG   = 250
	typeIXFR   = 251
	typeAXFR   = 252
	typeMAILB  = 253
	typeMAILA  = 254
	typeANY    = 255

	classIN  = 1
	classCH  = 3
	classANY = 255
)

const (
	maxName  = 255
	maxLabel = 63
)

// A query is one message as parse found it. Slices point into the message or
// into the worker's buffers and live as long as the call.
type query struct {
	flags    uint16
	question int    // octets of the header and the question; 12 when there is none to echo
	name     []byte // lower-cased
	qtype    uint16
	qclass   uint16
	edns     edns
	tsig     tsig // large, so it is not cleared between queries but for present
}

// reset makes q ready for the next message.
func (q *query) reset() {
	q.flags, q.question, q.name, q.qtype, q.qclass = 0, headerLen, nil, 0, 0
	q.edns = edns{}
	q.tsig.present = false
}

// A fault says why a message is not answered from the zones.
type fault uint8

const (
	sound      fault = iota
	unwanted         // shorter than a header, or itself a reply: silence
	unknownOp        // an opcode other than QUERY
	malformed        // FORMERR
	badVersion       // an EDNS version other than 0
	cookieOnly       // no question, but a COOKIE option (RFC 7873 §5.4)
)

// parse reads msg into q, and its name into name, unless that holds it
// already. The first line that holds decides:
//
//	shorter than a header, or QR set                        unwanted
//	opcode not QUERY                                        unknownOp
//	no question, and nothing but an OPT record with COOKIE  cookieOnly
//	other than one question                                 malformed
//	a name compressed, of more than 255 octets, or cut off  malformed
//	records in the answer section, or (not IXFR) authority  malformed
//	records that end beyond the message, or before its end  malformed
//	two OPT records, or one with an owner other than root   malformed
//	TSIG not last, not of class ANY, or cut off             malformed
//	EDNS version not 0                                      badVersion
//	options that overrun, or one of ours of a wrong form    malformed
//
// The header's other bits and its rcode are not looked at: RFC 1035 gives
// them no meaning in a query.
func (q *query) parse(msg []byte, name *zone.Name) fault {
	q.reset()
	if len(msg) < headerLen {
		return unwanted
	}
	q.flags = binary.BigEndian.Uint16(msg[2:])
	switch {
	case q.flags&flagQR != 0:
		return unwanted
	case q.flags&opcodeMask != 0:
		return unknownOp
	}
	questions := binary.BigEndian.Uint16(msg[4:])
	switch questions {
	case 0:
	case 1:
		if !q.parseQuestion(msg, name) {
			return malformed
		}
	default:
		return malformed
	}
	f := q.parseRecords(msg)
	if f == sound && questions == 0 {
		if q.edns.cookie && q.edns.alone {
			return cookieOnly
		}
		return malformed
	}
	return f
}

// parseQuestion reads the question at offset 12, its name into name. A
// compression pointer cannot point anywhere useful there and is malformed.
func (q *query) parseQuestion(msg []byte, name *zone.Name) bool {
	n := name.Len()
	if n == 0 {
		n = name.Take(msg[headerLen:])
	}
	at := headerLen + n
	if n == 0 || at+4 > len(msg) {
		return false
	}
	q.name = name.Wire()
	q.qtype = binary.BigEndian.Uint16(msg[at:])
	q.qclass = binary.BigEndian.Uint16(msg[at+2:])
	q.question = at + 4
	return true
}

// parseRecords walks everything behind the question.
func (q *query) parseRecords(msg []byte) fault {
	answers := binary.BigEndian.Uint16(msg[6:])
	authority := int(binary.BigEndian.Uint16(msg[8:]))
	additional := int(binary.BigEndian.Uint16(msg[10:]))
	if answers != 0 || authority != 0 && q.qtype != typeIXFR {
		return malformed
	}
	if additional == 1 && authority == 0 && q.onlyOPT(msg) {
		return sound
	}
	at, options := q.question, []byte(nil)
	for i := range authority + additional {
		r, ok := parseRecord(msg, at)
		if !ok {
			return malformed
		}
		switch r.rtype {
		case typeOPT:
			if q.edns.present || r.data-at != 11 || i < authority {
				return malformed
			}
			q.edns.begin(r)
			options = msg[r.data:r.end]
		case typeTSIG:
			last := i == authority+additional-1
			if !last || i < authority || !q.tsig.parse(msg, at, r) {
				return malformed
			}
		}
		at = r.end
	}
	if at != len(msg) {
		return malformed
	}
	if q.edns.version != 0 {
		return badVersion
	}
	q.edns.alone = authority+additional == 1
	if !q.edns.parse(options) {
		q.edns.forget()
		return malformed
	}
	return sound
}

// onlyOPT reads what is behind the question of most queries: an OPT record of
// version 0 without options, and nothing else. Of anything else it says no and
// leaves q as it is.
func (q *query) onlyOPT(msg []byte) bool {
	if len(msg) != q.question+optFixed {
		return false
	}
	opt := msg[q.question:]
	// root, OPT, size, extended rcode (any), version, flags, no options
	if opt[0] != 0 || opt[1] != 0 || opt[2] != typeOPT || opt[6] != 0 || opt[9] != 0 || opt[10] != 0 {
		return false
	}
	e := &q.edns
	e.present, e.alone = true, true
	e.size = binary.BigEndian.Uint16(opt[3:])
	e.do = opt[7]&(flagDO>>8) != 0
	return true
}

// A record is where one resource record lies in a message.
type record struct {
	rtype, class uint16
	ttl          uint32
	data, end    int // its RDATA
}

// parseRecord finds the bounds of the record at msg[at:].
func parseRecord(msg []byte, at int) (r record, ok bool) {
	at, ok = skipName(msg, at)
	if !ok || at+10 > len(msg) {
		return r, false
	}
	r.rtype = binary.BigEndian.Uint16(msg[at:])
	r.class = binary.BigEndian.Uint16(msg[at+2:])
	r.ttl = binary.BigEndian.Uint32(msg[at+4:])
	r.data = at + 10
	r.end = r.data + int(binary.BigEndian.Uint16(msg[at+8:]))
	return r, r.end <= len(msg)
}

// skipName returns the offset behind the name at msg[at:], which may end in a
// compression pointer; where that points is not looked at.
func skipName(msg []byte, at int) (int, bool) {
	for start := at; at < len(msg) && at-start < maxName; {
		l := int(msg[at])
		switch {
		case l == 0:
			return at + 1, true
		case l&0xc0 == 0xc0:
			return at + 2, at+2 <= len(msg)
		case l > maxLabel:
			return 0, false
		}
		at += 1 + l
	}
	return 0, false
}
