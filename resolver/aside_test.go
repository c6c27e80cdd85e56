package resolver

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// An usher is an Aside for tests. It replies NXDOMAIN to what it is turned to,
// the message plain as it would be without an Aside where that is set, and
// nothing where decline is. It takes connections for names that begin with
// "stream", and panics at names with "panic".
type usher struct {
	decline bool
	plain   []byte // the message that Plain is asked

	mu    sync.Mutex
	asked []string // by transport and question
	takes sync.WaitGroup
	conns []net.Conn
}

func (u *usher) Reply(dst, msg []byte, from netip.AddrPort, now time.Time, tr Transport, plain func(dst, msg []byte) []byte) ([]byte, bool) {
	if bytes.Contains(msg, []byte("panic")) {
		panic("an usher's")
	}
	u.mu.Lock()
	u.asked = append(u.asked, tr.String())
	u.mu.Unlock()
	reply := append(dst, msg[:12]...)
	reply[2], reply[3] = reply[2]|0x80, 3
	clear(reply[4:])
	switch {
	case u.decline:
		return nil, false
	case u.plain != nil:
		return plain(dst, u.plain), true
	}
	return reply, true
}

func (u *usher) Streams(msg []byte, tr Transport) bool {
	return tr.stream() && bytes.HasPrefix(msg[13:], []byte("stream"))
}

// Take answers the message that it took with two frames, and then each further
// one with Plain, until "bye.".
func (u *usher) Take(conn net.Conn, read []byte, tr Transport, plain func(dst, msg []byte, from netip.AddrPort) []byte) {
	if bytes.Contains(read, []byte("panic")) {
		conn.Close()
		panic("an usher's")
	}
	u.mu.Lock()
	u.conns = append(u.conns, conn)
	u.mu.Unlock()
	u.takes.Go(func() {
		defer conn.Close()
		in := io.MultiReader(bytes.NewReader(read), conn)
		for first := true; ; first = false {
			msg, err := dnstest.ReadFrame(in)
			if err != nil || bytes.HasPrefix(msg[13:], []byte("bye")) {
				return
			}
			if first {
				msg[2] |= 0x80
				conn.Write(dnstest.Frames(msg, msg))
				continue
			}
			conn.Write(dnstest.Frames(plain(make([]byte, 0, maxTCP), msg, client)))
		}
	})
}

// TestAside: which messages an Aside is turned to, and what comes of it.
func TestAside(t *testing.T) {
	const (
		usual  = "usual"  // as without an Aside
		theirs = "theirs" // the Aside's own
	)
	for _, c := range []struct {
		ask, udp, https string
	}{
		{"www.example.test. A", usual, usual},
		{"missing.example.test. A", usual, usual},
		{"www.example.test. A +class=CH", usual, usual},
		{"www.example.test. A +tsig=key.", theirs, theirs},
		{"www.example.test. A +class=CH +tsig=key.", theirs, theirs},
		{"www.example.test. A +tsig=key. +tail=00", usual, usual},
		{"example.test. +type=252", theirs, usual},
		{"example.test. +type=251", theirs, usual},
		{"example.test. +type=252 +class=CH", usual, usual},
		{"example.test. +type=252 +tsig=key.", theirs, usual},
		{"example.test. +type=252 +opcode=4", usual, usual},
		{"catalog.invalid. SOA", theirs, theirs},
		{"catalog.invalid. SOA +edns", theirs, theirs},
		{"catalog.invalid. +type=249", usual, usual},
	} {
		for tr, want := range map[Transport]string{UDP: c.udp, TCP: c.udp, TLS: c.udp, HTTPS: c.https} {
			query := dnstest.Ask(t, c.ask)
			_, w := workerForTest(t, settingsForTest())
			alone := dnstest.Line(w.Answer(make([]byte, 0, maxTCP), query, client, moment, tr))
			for _, u := range []*usher{{}, {decline: true}} {
				a, w := workerForTest(t, settingsForTest())
				a.setAside(u)
				got := dnstest.Line(w.Answer(make([]byte, 0, maxTCP), query, client, moment, tr))
				who := theirs
				if got == alone {
					who = usual
				}
				wanted := want
				if u.decline {
					wanted = usual
				}
				if who != wanted || len(u.asked) > 0 != (want == theirs) {
					t.Errorf("%s over %s, declined %v: %s: %s", c.ask, tr, u.decline, who, got)
				}
				st := a.Stats()
				if n := st.UDP + st.TCP + st.TLS + st.HTTPS; n != 1 || st.Rcodes["NXDOMAIN"]+st.Rcodes["NOERROR"]+st.Rcodes["REFUSED"]+st.Rcodes["NOTAUTH"]+st.Rcodes["FORMERR"]+st.Rcodes["NOTIMP"] != 1 {
					t.Errorf("%s over %s: one query counted as %d: %v", c.ask, tr, n, st.Rcodes)
				}
			}
		}
	}
}

// TestAsidePlain: a message of the Aside's is answered as if nobody were
// aside, held to no rate, and counted once.
func TestAsidePlain(t *testing.T) {
	set := settingsForTest()
	set.RateLimit.Responses = 1
	u := &usher{}
	a, w := workerForTest(t, set)
	a.setAside(u)
	for ask, want := range map[string]string{
		"www.example.test. A":        wwwLine,
		"catalog.invalid. A":         "REFUSED qr | ? catalog.invalid. IN A",
		"www.example.test. +tsig=k.": "NOTAUTH qr | ? www.example.test. IN A | tsig k. BADKEY",
	} {
		u.plain = dnstest.Ask(t, ask)
		got := dnstest.Line(w.Answer(make([]byte, 0, 1232), dnstest.Ask(t, "other.example.test. A +tsig=key."), client, moment, TCP))
		if !strings.HasPrefix(got, want[:7]) || strings.HasPrefix(want, "NOERROR") && got != want {
			t.Errorf("%s: %s, want %s", ask, got, want)
		}
	}
	if st := a.Stats(); st.TCP != 3 || st.Rcodes["NOERROR"] != 1 || st.Rcodes["NOTAUTH"] != 1 || st.Rcodes["REFUSED"] != 1 {
		t.Errorf("stats: %+v", st)
	}
	buf := make([]byte, 0, 1232)
	signed := dnstest.Ask(t, "other.example.test. A +tsig=key.")
	u.plain = dnstest.Ask(t, "www.example.test. A")
	limited := 0
	for range 20 {
		if got := w.Answer(buf, signed, client, moment, UDP); got == nil || got[2]&2 != 0 {
			limited++
		}
	}
	if limited != 19 {
		t.Errorf("%d of 20 replies over UDP were held back, want 19", limited)
	}
	u.plain = nil
	for _, ask := range []string{"www.example.test. A +tsig=key.", "catalog.invalid. A"} {
		query := dnstest.Ask(t, ask)
		u.asked = make([]string, 0, 4096)
		if n := testing.AllocsPerRun(200, func() { w.Answer(buf, query, client, moment, TCP) }); n != 0 {
			t.Errorf("%s: %v allocations", ask, n)
		}
	}
}

// TestAsideTooLong: a reply of an Aside that does not fit is not sent.
func TestAsideTooLong(t *testing.T) {
	u := &long{}
	a, w := workerForTest(t, settingsForTest())
	a.setAside(u)
	got := dnstest.Line(w.Answer(make([]byte, 0, maxTCP), dnstest.Ask(t, "catalog.invalid. A"), client, moment, UDP))
	if !strings.HasPrefix(got, "REFUSED") || u.room != 512 {
		t.Errorf("room of %d: %s", u.room, got)
	}
}

// A long Aside replies more than there is room for.
type long struct {
	usher
	room int
}

func (l *long) Reply(dst, msg []byte, _ netip.AddrPort, _ time.Time, _ Transport, _ func(dst, msg []byte) []byte) ([]byte, bool) {
	l.room = cap(dst)
	return append(dst, make([]byte, cap(dst)+1)...), true
}

// A looker is an Aside that answers nothing, and remembers whether it was asked.
type looker struct {
	usher
	looked bool
}

func (l *looker) Reply(dst, _ []byte, _ netip.AddrPort, _ time.Time, _ Transport, _ func(dst, msg []byte) []byte) ([]byte, bool) {
	l.looked = true
	rubbish := dst[:cap(dst)] // may be written to
	for i := range rubbish[:min(len(rubbish), 600)] {
		rubbish[i] = 0xEE
	}
	return nil, false
}

// FuzzAside: an Aside that does not answer changes no reply. What asksTransfer
// takes for a transfer is one, unless it is malformed.
func FuzzAside(f *testing.F) {
	for _, line := range append(questionsOf(f), "example.test. +type=252", "example.test. +type=251 +edns", "a. +type=252 +tsig=key.") {
		question, tcp := strings.CutPrefix(line, "tcp ")
		f.Add(dnstest.Ask(f, question), tcp)
	}
	_, alone := workerForTest(f, settingsForTest())
	a, beside := workerForTest(f, settingsForTest())
	l := &looker{}
	a.setAside(l)
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		tr := UDP
		if tcp {
			tr = TCP
		}
		l.looked = false
		want := bytes.Clone(alone.Answer(make([]byte, 0, maxTCP), query, client, moment, tr))
		got := beside.Answer(make([]byte, 0, maxTCP), query, client, moment, tr)
		if !bytes.Equal(got, want) {
			t.Fatalf("%x, without an Aside %x", got, want)
		}
		fault := beside.x.q.parse(query, new(zone.Name))
		if q := &beside.x.q; fault == sound && asksTransfer(query) != (q.qclass == classIN && (q.qtype == typeAXFR || q.qtype == typeIXFR)) {
			t.Fatalf("type %d, class %d", q.qtype, q.qclass)
		}
		if fault == sound && asksTransfer(query) && !l.looked {
			t.Fatal("a transfer went past the Aside")
		}
	})
}

// TestAsksTransfer: what is looked at before a message is parsed.
func TestAsksTransfer(t *testing.T) {
	for ask, want := range map[string]bool{
		"example.test. +type=252": true, "example.test. +type=251 +edns": true, "a.b.c.example.test. +type=252 +tsig=key.": true,
		"example.test. A": false, "example.test. +type=252 +qr": false, "example.test. +type=252 +opcode=5": false,
		"example.test. +type=252 +class=CH": false, "example.test. +type=252 +qd=2": false, "example.test. +type=252 +cut=1": false,
	} {
		if got := asksTransfer(dnstest.Ask(t, ask)); got != want {
			t.Errorf("%s: %v", ask, got)
		}
	}
	for n := range 12 {
		if asksTransfer(make([]byte, n)) {
			t.Errorf("%d octets ask for a transfer", n)
		}
	}
	long := binary.BigEndian.AppendUint16(append(make([]byte, 4), 0, 1, 0, 0, 0, 0, 0, 0), 0x3f41)
	if asksTransfer(long) {
		t.Error("a name that is cut off asks for a transfer")
	}
}
