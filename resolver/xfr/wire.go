package xfr

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/resolver/zone"
)

const (
	headerLen = 12 // of a message (RFC 1035 §4.1.1)
	rrFixed   = 10 // type, class, TTL and length of a record
	maxName   = 255
)

// appendSet appends the records of set in wire form, uncompressed, and returns
// how many there are. It writes to the records.
func appendSet(dst []byte, set zone.RRset) ([]byte, int, error) {
	for _, rr := range set.Records {
		at := len(dst)
		dst = append(dst, make([]byte, dns.Len(rr)+rrFixed)...) // Len is of a record in shape; some room beside it
		end, err := dns.PackRR(rr, dst, at, nil, false)
		if err != nil {
			return dst[:at], 0, fmt.Errorf("pack %s %s: %w", set.Name, dns.Type(set.Type), err)
		}
		dst = dst[:end]
	}
	return dst, len(set.Records), nil
}

var errCut = errors.New("cut off")

// nextRecord returns the first record of uncompressed ones, and what follows.
func nextRecord(all []byte) (rr, rest []byte, err error) {
	at := 0
	for {
		if at >= len(all) || at > maxName || all[at] > 63 {
			return nil, nil, errCut
		}
		if all[at] == 0 {
			break
		}
		at += int(all[at]) + 1
	}
	at++
	if at+rrFixed > len(all) {
		return nil, nil, errCut
	}
	end := at + rrFixed + int(binary.BigEndian.Uint16(all[at+8:]))
	if end > len(all) {
		return nil, nil, errCut
	}
	return all[:end:end], all[end:], nil
}

// ownerLen returns how many octets the owner of an uncompressed record takes.
func ownerLen(rr []byte) int {
	at := 0
	for rr[at] != 0 {
		at += int(rr[at]) + 1
	}
	return at + 1
}

// skipName returns the offset behind the name at msg[at:], which may be
// compressed.
func skipName(msg []byte, at int) (int, bool) {
	for at < len(msg) {
		switch l := int(msg[at]); {
		case l == 0:
			return at + 1, true
		case l&0xc0 == 0xc0:
			return at + 2, at+2 <= len(msg)
		case l > 63:
			return 0, false
		default:
			at += l + 1
		}
	}
	return 0, false
}

// serialLater reports whether serial a is later than b (RFC 1982 §3.2).
func serialLater(a, b uint32) bool { return a != b && int32(a-b) > 0 }
