package resolver

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

// A guest is a connection that only the gate knows.
type guest struct {
	seat seat
	gone bool
}

func (g *guest) evict() { g.gone = true }

// TestGate: who comes, in order, and what becomes of them. Connections is 4,
// PerClient 2.
//
//   - taken   - refused   < taken, and who was idle for longest had to go
func TestGate(t *testing.T) {
	for _, c := range []struct{ name, come, want, left string }{
		{"as many as there is room", "192.0.2.1 192.0.2.2 192.0.2.1 192.0.2.3", "++++", "192.0.2.1 192.0.2.2 192.0.2.1 192.0.2.3"},
		{"too many of one", "192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.2", "++-+", "192.0.2.1 192.0.2.1 192.0.2.2"},
		{"a mapped address is the same", "::ffff:192.0.2.1 192.0.2.1 192.0.2.1", "++-", "::ffff:192.0.2.1 192.0.2.1"},
		{"a /64 is one", "2001:db8::1 2001:db8::2 2001:db8::ffff:0:0:1 2001:db8:0:1::1", "++-+", "2001:db8::1 2001:db8::2 2001:db8:0:1::1"},
		{"a zone makes no other", "fe80::1%lo fe80::2%eth0 fe80::3", "++-", "fe80::1%lo fe80::2%eth0"},
		{"the first makes room", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.1", "++++<<", "192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.1"},
		{"refused before anybody goes", "192.0.2.1 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.1", "++++-", "192.0.2.1 192.0.2.1 192.0.2.2 192.0.2.3"},
	} {
		set := settingsForTest()
		set.TCP.Connections, set.TCP.PerClient = 4, 2
		g := newGate(NewAnswerer(set, 1, quiet()))
		var guests []*guest
		var got strings.Builder
		var in []string
		for i, from := range strings.Fields(c.come) {
			n := &guest{}
			n.seat.owner = n
			evicted := g.evicted.Load()
			switch {
			case !g.admit(&n.seat, netip.MustParseAddr(from), int64(i)):
				got.WriteByte('-')
				continue
			case g.evicted.Load() > evicted:
				got.WriteByte('<')
			default:
				got.WriteByte('+')
			}
			guests, in = append(guests, n), append(in, from)
		}
		var left []string
		for i, n := range guests {
			if !n.gone {
				left = append(left, in[i])
			}
		}
		if got.String() != c.want || strings.Join(left, " ") != c.left {
			t.Errorf("%s: %s, %s left", c.name, got.String(), left)
		}
		for _, n := range guests {
			g.leave(&n.seat)
		}
		var st Stats
		if g.addTo(&st); st.Connections != 0 || len(g.of) != 0 {
			t.Errorf("%s: %d seats and %d networks are left of none", c.name, st.Connections, len(g.of))
		}
	}
}

// TestGateShrinks: a reload to fewer connections holds from the next one on.
func TestGateShrinks(t *testing.T) {
	set := settingsForTest()
	a := NewAnswerer(set, 1, quiet())
	g := newGate(a)
	admit := func(i int) {
		n := &guest{}
		n.seat.owner = n
		g.admit(&n.seat, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), int64(i))
	}
	for i := range 100 {
		admit(i)
	}
	set.TCP = config.TCP{Connections: 10, PerClient: 1, Idle: set.TCP.Idle, MessageSize: 4096}
	a.SetDNS(set)
	admit(100)
	var st Stats
	if g.addTo(&st); st.Connections != 10 || st.Evicted != 91 {
		t.Errorf("%d open, %d evicted", st.Connections, st.Evicted)
	}
}
