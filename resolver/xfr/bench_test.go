package xfr

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A drain is a connection that takes everything at once.
type drain struct {
	net.Conn
	octets int
}

func (d *drain) Write(p []byte) (int, error) {
	d.octets += len(p)
	return len(p), nil
}

func (d *drain) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkWhole makes the messages of an AXFR of 100,000 records, unsigned
// and signed: what the kernel does with them comes on top.
func BenchmarkWhole(b *testing.B) {
	const n = 100_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "h%07d A 10.%d.%d.%d\n", i, i>>16, i>>8&255, i&255)
	}
	snap := zone.NewSet([]*zone.Zone{testZone(b, "example.test.", text.String())}).Snapshot(1, nil, []uint32{1})
	k, err := newKey(testKey("hmac-sha256"))
	if err != nil {
		b.Fatal(err)
	}
	for _, signed := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "signed"}[signed], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out := &drain{}
				w := &writer{conn: out, origin: []byte("\x07example\x04test\x00"), now: time.Now}
				w.question = append(w.origin[:len(w.origin):len(w.origin)], 0, 252, 0, 1)
				if signed {
					w.key = k
				}
				soa, _, err := appendSet(nil, snap.SOA(0))
				if err != nil {
					b.Fatal(err)
				}
				if err := sendZone(w, soa, snap.Wire(0, config.OnePool)); err != nil || out.octets < 20*n {
					b.Fatal(out.octets, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
		})
	}
}
