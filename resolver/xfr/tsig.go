package xfr

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// The errors that a TSIG record names (RFC 8945 §3).
const (
	badSig   = 16
	badKey   = 17
	badTime  = 18
	badTrunc = 22
)

// fudge is how far our clock and another may be apart, in seconds (RFC 8945
// §10).
const fudge = 300

// A key is a TSIG key in use.
type key struct {
	name      []byte // in wire form, lower case
	algorithm []byte // likewise
	text      string // of the name
	secret    []byte
	hash      func() hash.Hash
}

// newKey makes a key of k.
func newKey(k config.Key) (*key, error) {
	out := &key{text: k.Name, secret: []byte(k.Secret.Reveal())}
	switch strings.TrimSuffix(k.Algorithm, ".") {
	case "hmac-sha384":
		out.hash = sha512.New384
	case "hmac-sha512":
		out.hash = sha512.New
	default:
		out.hash = sha256.New
	}
	var err error
	if out.name, err = packName(k.Name); err != nil {
		return nil, err
	}
	out.algorithm, err = packName(k.Algorithm)
	return out, err
}

// packName returns name in wire form, lower case.
func packName(name string) ([]byte, error) {
	buf := make([]byte, maxName+1)
	n, err := dns.PackDomainName(dns.CanonicalName(dns.Fqdn(name)), buf, 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("%q is no name: %w", name, err)
	}
	return buf[:n:n], nil
}

// room is how many octets a TSIG record with key k takes at most.
func (k *key) room() int {
	return len(k.name) + rrFixed + len(k.algorithm) + 16 + k.hash().Size() + 6
}

// A signature is the TSIG record of a message.
type signature struct {
	key   *key
	mac   []byte // as sent
	time  uint64 // of signing, in seconds since 1970
	fudge uint16
	code  uint16 // error
	other []byte
	id    uint16 // original
}

// errNoTSIG is for a message without a TSIG record at its end.
var errNoTSIG = errors.New("not signed")

// errForm is for a message that cannot be read.
var errForm = errors.New("malformed")

// split returns msg without the TSIG record at its end, in memory of its own,
// and that record.
func split(msg []byte) (bare []byte, t *dns.TSIG, err error) {
	if len(msg) < headerLen {
		return nil, nil, errForm
	}
	at, ok := headerLen, true
	for range binary.BigEndian.Uint16(msg[4:]) {
		if at, ok = skipName(msg, at); !ok || at+4 > len(msg) {
			return nil, nil, errForm
		}
		at += 4
	}
	additional := int(binary.BigEndian.Uint16(msg[10:]))
	records := int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + additional
	if additional == 0 {
		return nil, nil, errNoTSIG
	}
	last, typ := at, uint16(0)
	for range records {
		last = at
		if at, ok = skipName(msg, at); !ok || at+rrFixed > len(msg) {
			return nil, nil, errForm
		}
		typ = binary.BigEndian.Uint16(msg[at:])
		if at += rrFixed + int(binary.BigEndian.Uint16(msg[at+8:])); at > len(msg) {
			return nil, nil, errForm
		}
	}
	if typ != dns.TypeTSIG {
		return nil, nil, errNoTSIG
	}
	rr, end, err := dns.UnpackRR(msg, last)
	t, ok = rr.(*dns.TSIG)
	if err != nil || !ok || end != len(msg) || t.Hdr.Class != dns.ClassANY || t.Hdr.Ttl != 0 {
		return nil, nil, errForm
	}
	bare = append([]byte(nil), msg[:last]...)
	binary.BigEndian.PutUint16(bare[10:], uint16(additional-1))
	return bare, t, nil
}

// keyring holds the keys of a configuration by name, fully qualified and in
// lower case.
type keyring map[string]*key

// find returns the key that t names; nil: we have none of that name and
// algorithm.
func (r keyring) find(t *dns.TSIG) *key {
	k := r[dns.CanonicalName(t.Hdr.Name)]
	if k == nil {
		return nil
	}
	if alg, err := packName(t.Algorithm); err != nil || string(alg) != string(k.algorithm) {
		return nil
	}
	return k
}

// verify checks t, which signs the message bare with key k, as of now (RFC
// 8945 §5.2). Prior is the MAC of the request that bare answers; nil for a
// request. The first line that holds decides:
//
//	a MAC longer than the hash, or shorter than 10 octets or half of it   FORMERR
//	a MAC that is not the message's                                       BADSIG
//	signed more than the fudge from now                                   BADTIME
//	a MAC cut short                                                       BADTRUNC: we take none
//
// Rcode and code are 0 for a message that is as its signer made it.
func (k *key) verify(bare []byte, t *dns.TSIG, prior []byte, now time.Time) (s signature, rcode int, code uint16) {
	mac, err := decodeHex(t.MAC)
	other, err2 := decodeHex(t.OtherData)
	s = signature{key: k, mac: mac, time: t.TimeSigned, fudge: t.Fudge, code: t.Error, other: other, id: t.OrigId}
	size := k.hash().Size()
	if err != nil || err2 != nil || len(mac) > size || len(mac) < max(10, size/2) {
		return s, dns.RcodeFormatError, 0
	}
	full := s.compute(bare, prior, false)
	off := int64(now.Unix()) - int64(t.TimeSigned)
	switch {
	case !hmac.Equal(full[:len(mac)], mac):
		return s, dns.RcodeNotAuth, badSig
	case off > int64(t.Fudge) || -off > int64(t.Fudge):
		return s, dns.RcodeNotAuth, badTime
	case len(mac) < size:
		return s, dns.RcodeNotAuth, badTrunc
	}
	return s, 0, 0
}

// decodeHex reads what the library writes as hexadecimal digits.
func decodeHex(text string) ([]byte, error) { return hex.DecodeString(text) }

// compute returns the MAC of msg (RFC 8945 §4.3). Later messages of one answer
// are signed with the timers alone (§5.3.1).
func (s *signature) compute(msg, prior []byte, timers bool) []byte {
	h := hmac.New(s.key.hash, s.key.secret)
	var n [8]byte
	if prior != nil {
		binary.BigEndian.PutUint16(n[:], uint16(len(prior)))
		h.Write(n[:2])
		h.Write(prior)
	}
	binary.BigEndian.PutUint16(n[:], s.id)
	h.Write(n[:2])
	h.Write(msg[2:])
	if !timers {
		h.Write(s.key.name)
		h.Write([]byte{0, dns.ClassANY, 0, 0, 0, 0})
		h.Write(s.key.algorithm)
	}
	h.Write(s.timers(n[:0]))
	if !timers {
		binary.BigEndian.PutUint16(n[:], s.code)
		binary.BigEndian.PutUint16(n[2:], uint16(len(s.other)))
		h.Write(n[:4])
		h.Write(s.other)
	}
	return h.Sum(nil)
}

// timers appends time and fudge.
func (s *signature) timers(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(s.time>>32))
	dst = binary.BigEndian.AppendUint32(dst, uint32(s.time))
	return binary.BigEndian.AppendUint16(dst, s.fudge)
}

// sign appends the TSIG record of k to msg and counts it in the header, and
// returns the MAC. Prior is the MAC that came before; nil for a request. Later
// is for the second message and those after it of one answer.
func (k *key) sign(msg, prior []byte, later bool, now time.Time) (signed, mac []byte) {
	s := signature{key: k, time: uint64(now.Unix()), fudge: fudge, id: binary.BigEndian.Uint16(msg)}
	s.mac = s.compute(msg, prior, later)
	return s.append(msg), s.mac
}

// append appends s as a record to msg.
func (s *signature) append(msg []byte) []byte {
	msg = append(msg, s.key.name...)
	msg = append(msg, 0, byte(dns.TypeTSIG), 0, dns.ClassANY, 0, 0, 0, 0)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(s.key.algorithm)+16+len(s.mac)+len(s.other)))
	msg = append(msg, s.key.algorithm...)
	msg = s.timers(msg)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(s.mac)))
	msg = append(msg, s.mac...)
	msg = binary.BigEndian.AppendUint16(msg, s.id)
	msg = binary.BigEndian.AppendUint16(msg, s.code)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(s.other)))
	msg = append(msg, s.other...)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)
	return msg
}

// refuse appends the TSIG record that tells of an error in request (RFC 8945
// §5.3.2): unsigned where the key did not sign, else signed, with our time
// where that is the trouble.
func (s *signature) refuse(msg []byte, code uint16, now time.Time) []byte {
	out := signature{key: s.key, time: s.time, fudge: s.fudge, id: s.id, code: code}
	if code == badSig || code == badKey {
		return out.append(msg)
	}
	out.fudge = fudge
	if code == badTime {
		out.other = binary.BigEndian.AppendUint16(nil, uint16(uint64(now.Unix())>>32))
		out.other = binary.BigEndian.AppendUint32(out.other, uint32(now.Unix()))
	} else {
		out.time = uint64(now.Unix())
	}
	out.mac = out.compute(msg, s.mac, false)
	return out.append(msg)
}
