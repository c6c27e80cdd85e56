package node

import (
	"net/netip"
	"testing"
)

func TestBeyond(t *testing.T) {
	for at, want := range map[string]bool{"127.0.0.1:1": false, "127.9.9.9:1": false, "[::1]:1": false, "[::ffff:127.0.0.1]:1": false,
		"0.0.0.0:1": true, "[::]:1": true, "10.0.0.1:1": true, "[fe80::1%lo]:1": true, "[::ffff:192.0.2.1]:1": true} {
		if got := beyond(netip.MustParseAddrPort(at)); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
