package resolver

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// FuzzReference: whatever sound query comes, Answer and the slow way say the same.
func FuzzReference(f *testing.F) {
	for _, line := range questionsOf(f) {
		question, tcp := strings.CutPrefix(line, "tcp ")
		f.Add(dnstest.Ask(f, question), tcp)
	}
	a, w := workerForTest(f, settingsForTest())
	snapshot := a.view.Load().snapshot
	buf := make([]byte, 0, maxTCP)
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		tr := UDP
		if tcp {
			tr = TCP
		}
		reply := w.Answer(buf, query, client, moment, tr)
		if _, difference := againstReference(snapshot, query, reply, tr); difference != "" {
			t.Fatal(difference)
		}
	})
}

// FuzzAnswer: whatever comes, nothing panics, and every reply is a whole
// message that belongs to the query and is no larger than the client allows.
func FuzzAnswer(f *testing.F) {
	for _, line := range questionsOf(f) {
		question, tcp := strings.CutPrefix(line, "tcp ")
		f.Add(dnstest.Ask(f, question), tcp)
	}
	set := settingsForTest()
	set.NSID = strings.Repeat("n", maxNSID) // the longest, where room is scarce
	a, w := workerForTest(f, set)
	buf := make([]byte, 0, maxTCP)
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		tr := UDP
		if tcp {
			tr = TCP
		}
		before := bytes.Clone(query)
		reply := w.Answer(buf, query, client, moment, tr)
		if !bytes.Equal(before, query) {
			t.Fatal("the query was changed")
		}
		if n := a.Stats().Panics; n != 0 {
			t.Fatalf("%d panics", n)
		}
		checkReply(t, query, reply, tr)
	})
}

// checkReply holds every reply to what no reply may break.
func checkReply(t *testing.T, query, reply []byte, tr Transport) {
	t.Helper()
	silent := len(query) < headerLen || query[2]&0x80 != 0
	if silent != (len(reply) == 0) {
		t.Fatalf("silence %v, want %v", len(reply) == 0, silent)
	}
	if silent {
		return
	}
	var m, q dns.Msg
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("reply does not parse: %v", err)
	}
	if end := endOf(reply); end != len(reply) {
		t.Fatalf("the reply's records end at %d of %d octets", end, len(reply))
	}
	in, out := binary.BigEndian.Uint16(query[2:]), binary.BigEndian.Uint16(reply[2:])
	switch {
	case !bytes.Equal(query[:2], reply[:2]):
		t.Fatal("another ID")
	case out&flagQR == 0 || in&opcodeMask != out&opcodeMask:
		t.Fatal("QR or opcode")
	case out&0x00f0 != 0:
		t.Fatal("RA, Z, AD or CD is set")
	case in&opcodeMask == 0 && in&flagRD != out&flagRD && m.Rcode != dns.RcodeServerFailure:
		t.Fatal("RD is not the query's")
	case in&opcodeMask != 0 && len(reply) != headerLen:
		t.Fatal("more than a header for an opcode we do not know")
	}
	if n := len(m.Question); n > 0 {
		end, _ := skipName(reply, headerLen)
		end += 4
		if n != 1 || !bytes.Equal(query[headerLen:end], reply[headerLen:end]) {
			t.Fatal("another question")
		}
	} else if m.Rcode == dns.RcodeSuccess && len(m.Answer)+len(m.Ns) > 0 {
		t.Fatal("an answer without its question")
	}
	limit := minUDP
	if tr == TCP {
		limit = maxTCP
	} else if q.Unpack(query) == nil && q.IsEdns0() != nil {
		limit = min(max(limit, int(q.IsEdns0().UDPSize())), 1232)
	}
	if len(reply) > limit {
		t.Fatalf("%d octets, the client takes %d", len(reply), limit)
	}
	if len(m.Answer) == 0 && out&flagAA == 0 && m.Rcode == dns.RcodeNameError {
		t.Fatal("NXDOMAIN without authority")
	}
}

// endOf walks a message by its counts and returns where its records end.
func endOf(msg []byte) int {
	at := headerLen
	for range binary.BigEndian.Uint16(msg[4:]) {
		at, _ = skipName(msg, at)
		at += 4
	}
	n := 0
	for i := 6; i < headerLen; i += 2 {
		n += int(binary.BigEndian.Uint16(msg[i:]))
	}
	for range n {
		r, ok := parseRecord(msg, at)
		if !ok {
			return -1
		}
		at = r.end
	}
	return at
}
