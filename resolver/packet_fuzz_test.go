package resolver

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// FuzzPacket is FuzzAnswer without a second parser, so that it runs ten times
// as often: whatever octets come over UDP, the reply is silence or whole, of
// the query's ID and question, and no longer than the client takes.
// test/fuzz-packets runs it by the million.
func FuzzPacket(f *testing.F) {
	for _, msg := range badPackets(f) {
		f.Add(msg)
	}
	for _, line := range questionsOf(f) {
		if line[0] != 't' || line[1] != 'c' {
			f.Add(dnstest.Ask(f, line))
		}
	}
	set := settingsForTest()
	set.RateLimit.Responses = 5
	_, w := workerForTest(f, set)
	_, unlimited := workerForTest(f, settingsForTest())
	in, buf := make([]byte, 0, udpQuery), make([]byte, 0, udpReply)
	f.Fuzz(func(t *testing.T, msg []byte) {
		in = append(in[:0], msg...)
		w.Answer(buf, in, client, moment, UDP)
		reply := unlimited.Answer(buf, in, client, moment, UDP)
		if w.n.panics.Load()+unlimited.n.panics.Load() > 0 {
			t.Fatal("panic")
		}
		if !bytes.Equal(in, msg) {
			t.Fatal("the query was changed")
		}
		if wrong := soundReply(msg, reply); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// soundReply says in which way reply, which came over UDP, is none to msg; ""
// in no way.
func soundReply(msg, reply []byte) (wrong string) {
	silent := len(msg) < headerLen || msg[2]&0x80 != 0
	switch {
	case silent && len(reply) == 0:
		return ""
	case silent:
		return "a reply where silence is due"
	case len(reply) < headerLen:
		return "silence, or less than a header"
	case !bytes.Equal(msg[:2], reply[:2]):
		return "another ID"
	case reply[2]&0x80 == 0 || (msg[2]^reply[2])&0x78 != 0 || reply[3]&0xf0 != 0:
		return "QR, opcode, RA, Z, AD or CD"
	case endOf(reply) != len(reply):
		return "records end before or beyond the reply"
	case len(reply) > max(minUDP, min(udpSizeOf(msg), 1232)):
		return "longer than the client takes"
	}
	if binary.BigEndian.Uint16(reply[4:]) == 0 {
		return ""
	}
	end, _ := skipName(reply, headerLen)
	if end += 4; end > len(msg) || !bytes.Equal(msg[headerLen:end], reply[headerLen:end]) {
		return "another question"
	}
	return ""
}

// udpSizeOf returns what the first OPT record of msg says its sender takes; 0
// where there is none.
func udpSizeOf(msg []byte) int {
	at, ok := headerLen, true
	for range binary.BigEndian.Uint16(msg[4:]) {
		if at, ok = skipName(msg, at); !ok {
			return 0
		}
		at += 4
	}
	n := int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + int(binary.BigEndian.Uint16(msg[10:]))
	for range n {
		r, ok := parseRecord(msg, at)
		if !ok {
			return 0
		}
		if r.rtype == typeOPT {
			return int(r.class)
		}
		at = r.end
	}
	return 0
}
