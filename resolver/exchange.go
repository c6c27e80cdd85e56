package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/resolver/zone"
)

// An exchange is one query on its way to a reply. Its worker keeps it, for it
// is large: what is small to copy costs more than to answer.
type exchange struct {
	w      *Worker
	set    *settings
	view   *view
	q      query
	name   *zone.Name // the question's
	client netip.Addr // of the resolver that asks
	now    time.Time
	tr     Transport

	msg    []byte        // the reply so far
	size   int           // the largest it may be
	ask    zone.Question // what the snapshot is asked
	info   *zone.Info    // what it said, or &none
	none   zone.Info     // of a reply that no zone made
	rcode  uint16
	ede    uint16
	cookie [serverCookieLen]byte
	baked  bool // cookie goes into the reply
	known  bool // the client sent a cookie that we made
}

// begin writes the header and the question, exactly as asked (0x20 case is
// kept), and settles the reply's size and cookie. Of the header only ID,
// opcode and, for QUERY, RD come back; AD and CD do not (RFC 4035 §3.1.6).
func (x *exchange) begin(dst, msg []byte) {
	flags := x.q.flags&opcodeMask | flagQR
	if flags&opcodeMask == 0 {
		flags |= x.q.flags & flagRD
	}
	out := append(dst, msg[:x.q.question]...)
	binary.BigEndian.PutUint16(out[2:], flags)
	counts := uint64(0)
	if x.q.question > headerLen {
		counts = 1 << 48 // one question, nothing else
	}
	binary.BigEndian.PutUint64(out[4:], counts)
	x.msg = out
	x.size = maxTCP
	if x.tr == UDP {
		x.size = min(max(int(x.q.edns.size), minUDP), x.set.udpSize)
	}
	x.size = min(x.size, cap(out))
	x.info, x.rcode, x.ede = &x.none, rcodeSuccess, edeNone
	x.baked, x.known = false, false
	if x.q.edns.cookie && x.set.cookies {
		x.cookie, x.known = x.set.checkCookie(&x.q.edns, x.client, x.now)
		x.baked = true
	}
}

// answer appends the reply's sections and sets its rcode. The first line that
// holds decides:
//
//	fault                    the fault's rcode; NOERROR for a lone cookie
//	TSIG                     NOTAUTH with BADKEY: we hold no keys; an Aside may
//	class CH                 see chaos
//	class other than IN      REFUSED
//	OPT, TSIG, type 0        FORMERR: they are never asked for
//	NXNAME                   FORMERR (RFC 9824 §3.5)
//	AXFR, IXFR               REFUSED, unless an Aside answers; never over HTTPS
//	TKEY, MAILA, MAILB       NOTIMP
//	no snapshot yet          SERVFAIL
//	a name in no zone        REFUSED, unless an Aside answers
//	anything else            as the snapshot says
func (x *exchange) answer(f fault) whose {
	switch {
	case f == unknownOp:
		x.fail(rcodeNotImp, edeNotSupported)
	case f == malformed || f == cookieOnly && !x.set.cookies:
		x.w.n.malformed.Add(1)
		x.fail(rcodeFormErr, edeNone)
	case f == badVersion:
		x.fail(rcodeBadVers, edeNone)
	case f == cookieOnly:
	case x.q.tsig.present:
		x.fail(rcodeNotAuth, edeNone)
		return elsewhere
	case x.q.qclass == classCH:
		x.chaos()
	case x.q.qclass != classIN:
		x.fail(rcodeRefused, edeNotSupported)
	default:
		return x.lookUp()
	}
	return here
}

// lookUp answers a sound question of class IN.
func (x *exchange) lookUp() whose {
	switch x.q.qtype {
	case 0, typeOPT, typeTSIG:
		x.fail(rcodeFormErr, edeNone)
		return here
	case typeNXNAME:
		x.fail(rcodeFormErr, edeInvalidQueryType)
		return here
	case typeAXFR, typeIXFR:
		x.fail(rcodeRefused, edeProhibited)
		return elsewhere
	case typeTKEY, typeMAILA, typeMAILB:
		x.fail(rcodeNotImp, edeNotSupported)
		return here
	}
	v := x.view
	if v.snapshot == nil {
		x.fail(rcodeServFail, edeNotReady)
		return here
	}
	n := &x.w.n.now
	n.qtype(bucketOf(x.q.qtype))
	x.ask.Type = x.q.qtype
	x.ask.Client = x.q.edns.subnet.client(x.client)
	x.ask.Now = x.now.Unix()
	x.msg, x.info = x.w.scratch.Append(v.snapshot, x.msg, x.name, &x.ask, x.size-x.q.edns.room(x.set, x.tr))
	x.rcode = x.info.Rcode
	switch {
	case x.info.Refused:
		x.ede = edeNotAuthoritative
		return elsewhere
	case x.rcode == rcodeServFail: // a service without anything to answer with, as yet
		x.ede = edeNotReady
	}
	if x.info.Group >= 0 && x.info.Variant >= 0 {
		x.w.n.steer(v.groups[x.info.Group][x.info.Variant])
	}
	return here
}

// A whose says who answers a query.
type whose bool

const (
	here      whose = false
	elsewhere whose = true // an Aside, where there is one and it will; else what is in the exchange stands
)

// fail sets the rcode of a reply without records.
func (x *exchange) fail(rcode, ede uint16) {
	x.rcode, x.ede = rcode, ede
	x.msg[3] = x.msg[3]&^rcodeMask | byte(rcode&rcodeMask)
}

// finish passes the reply through rate limiting and appends what follows the
// records: OPT, where the query had it, and TSIG.
func (x *exchange) finish() []byte {
	switch x.pass() {
	case drop:
		x.w.n.limited.Add(1)
		return nil
	case truncate:
		x.w.n.limited.Add(1)
		x.w.n.slipped.Add(1)
		x.empty()
	}
	if x.msg[2]&(flagTC>>8) != 0 {
		x.w.n.truncated.Add(1)
	}
	if x.q.edns.present {
		t := trailer{rcode: x.rcode, scope: x.info.Scope, ede: x.ede}
		if x.baked {
			t.cookie = &x.cookie
		}
		x.msg = x.q.edns.appendTo(x.msg, t, x.set, x.tr)
	}
	if x.q.tsig.present && x.rcode == rcodeNotAuth {
		x.msg = x.q.tsig.appendError(x.msg, x.size)
	}
	x.w.n.now.rcode(x.rcode)
	return x.msg
}

// pass asks the rate limiter. A connection and a cookie of ours prove the client's
// address, so that nobody else is hit by its answers.
func (x *exchange) pass() pass {
	if x.tr != UDP || x.known || x.w.plain || !x.set.limit.applies(x.client) {
		return send
	}
	return x.w.limit.take(&x.set.limit, x.client, x.likeness(), x.now)
}

// likeness says which responses this one is alike to.
func (x *exchange) likeness() likeness {
	found := x.rcode == rcodeSuccess && (x.msg[6]|x.msg[7] != 0 || x.msg[2]&(flagTC>>8) != 0)
	switch {
	case found && x.info.Made:
		return likeness{kind: likeMade, which: uint32(x.info.Zone)}
	case found:
		return likeness{kind: likeName, which: uint32(x.q.qtype), name: x.q.name}
	case x.info.Zone >= 0:
		return likeness{kind: likeZone, which: uint32(x.info.Zone)}
	}
	return likeness{kind: likeRcode, which: uint32(x.rcode)}
}

// empty takes all records out of the reply again and sets TC.
func (x *exchange) empty() {
	x.msg = x.msg[:x.q.question]
	x.msg[2] = x.msg[2]&^(flagAA>>8) | flagTC>>8
	x.msg[3] &^= rcodeMask
	clear(x.msg[6:headerLen])
	x.rcode, x.ede = rcodeSuccess, edeNone
}
