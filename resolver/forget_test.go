package resolver

import (
	"net"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestIdleWorkersForget: a snapshot that was replaced is not kept in memory by
// workers that have nothing to answer since, over whatever transport they did.
func TestIdleWorkersForget(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	www, web := dnstest.Ask(t, "www.example.test. A"), v.web()
	dname := dnstest.Ask(t, "a.renamed.example.test. A")
	for range 4 * cores() { // so that each worker has some
		c := dialUDP(t, s.Addrs()[0])
		for _, msg := range [][]byte{www, dname} {
			if _, err := c.Write(msg); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, udpReply)); err != nil {
				t.Fatal(err)
			}
		}
		tcp, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		for _, conn := range []net.Conn{tcp, dialTLS(t, s.AddrsTLS()[0], v.client("dot"))} {
			conn.Write(dnstest.Frames(dname, www))
			for range 2 {
				if _, err := dnstest.ReadFrame(conn); err != nil {
					t.Fatal(err)
				}
			}
			conn.Close()
		}
		web.post(t, s, dname)
	}
	old := weak.Make(s.answerer.view.Load().snapshot)
	zone := weak.Make(old.Value().Set().Zones()[0])
	s.Swap(snapshotForTest(t))
	for end := time.Now().Add(3 * time.Second); old.Value() != nil || zone.Value() != nil; {
		if time.Now().After(end) {
			t.Fatal("the snapshot of before is still in memory")
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}
