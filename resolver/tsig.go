package resolver

import "encoding/binary"

const (
	tsigBadKey = 17 // RFC 8945 §3
	tsigFixed  = 16 // octets of RDATA besides the algorithm's name, the MAC and other data
)

// A tsig is the TSIG record of a query (RFC 8945 §4.2). Its names are in the
// worker's buffers; we hold no keys, so that the rest does not matter.
type tsig struct {
	present   bool
	key       tsigName
	algorithm tsigName
	signed    [8]byte // time signed and fudge
	id        [2]byte
}

// A tsigName is a name in wire form, uncompressed.
type tsigName struct {
	octets [maxName]byte
	n      int
}

// parse reads the TSIG record r, which begins at msg[at:].
func (t *tsig) parse(msg []byte, at int, r record) bool {
	if r.class != classANY || r.ttl != 0 {
		return false
	}
	if _, ok := t.key.read(msg, at); !ok {
		return false
	}
	at, ok := t.algorithm.read(msg[:r.end], r.data)
	if !ok || at+tsigFixed > r.end {
		return false
	}
	copy(t.signed[:], msg[at:])
	mac := int(binary.BigEndian.Uint16(msg[at+8:]))
	rest := at + 10 + mac // original ID, error, other length
	if rest+6 > r.end {
		return false
	}
	copy(t.id[:], msg[rest:])
	t.present = rest+6+int(binary.BigEndian.Uint16(msg[rest+4:])) == r.end
	return t.present
}

// read takes the name at msg[at:] and returns the offset behind it. Pointers
// must lead backwards (RFC 1035 §4.1.4), so that it ends.
func (n *tsigName) read(msg []byte, at int) (next int, ok bool) {
	n.n = 0
	for bound := at; at < len(msg); {
		l := int(msg[at])
		if l&0xc0 == 0xc0 {
			if at+2 > len(msg) {
				return 0, false
			}
			to := (l&0x3f)<<8 | int(msg[at+1])
			if to >= bound {
				return 0, false
			}
			if next == 0 {
				next = at + 2
			}
			at, bound = to, to
			continue
		}
		if l > maxLabel || n.n+1+l > maxName || at+1+l > len(msg) {
			return 0, false
		}
		n.n += copy(n.octets[n.n:], msg[at:at+1+l])
		at += 1 + l
		if l == 0 {
			if next == 0 {
				next = at
			}
			return next, true
		}
	}
	return 0, false
}

// appendError appends the unsigned TSIG record that tells the client its key
// is not ours (RFC 8945 §5.2.1, §5.3.2) and counts it in the header. It is
// the last record of a message. Where names of absurd length leave no room for
// it, the rcode alone says so.
func (t *tsig) appendError(msg []byte, limit int) []byte {
	if len(msg)+t.key.n+10+t.algorithm.n+tsigFixed > limit {
		return msg
	}
	msg = append(msg, t.key.octets[:t.key.n]...)
	msg = append(msg, 0, typeTSIG, 0, classANY, 0, 0, 0, 0)
	msg = binary.BigEndian.AppendUint16(msg, uint16(t.algorithm.n+tsigFixed))
	msg = append(msg, t.algorithm.octets[:t.algorithm.n]...)
	msg = append(msg, t.signed[:]...)
	msg = append(msg, 0, 0) // no MAC
	msg = append(msg, t.id[:]...)
	msg = append(msg, 0, tsigBadKey, 0, 0)
	countAdditional(msg)
	return msg
}
