package probe_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

func TestICMP(t *testing.T) {
	r := run(t, monitor(config.ICMP, 0, ""), netip.MustParseAddr("127.0.0.9"))
	raw, err := net.ListenPacket("ip4:icmp", "127.0.0.1")
	if err == nil {
		_ = raw.Close()
		expect(t, r, health.None, "")
		if r.Phases.Processing <= 0 {
			t.Errorf("phases %+v", r.Phases)
		}
		return
	}
	// Without raw sockets the kernel may allow echoes still; else the result
	// says what to change, and is no vote.
	if !r.OK && (r.Class != health.Internal || !strings.Contains(r.Reason, "net.ipv4.ping_group_range")) {
		t.Errorf("%q %s", r.Class, r.Reason)
	}
}

func TestICMPTimesOut(t *testing.T) {
	m := monitor(config.ICMP, 0, "")
	m.Timeout = time.Microsecond
	expect(t, run(t, m, netip.MustParseAddr("127.0.0.9")), health.Network, "no answer from 127.0.0.9 within 0s")
}
