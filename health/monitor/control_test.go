package monitor

import (
	"context"
	"net/netip"
	"testing"
)

// Controls that refuse are told of in one line, always in the same order.
func TestControlsThatRefuse(t *testing.T) {
	addrs := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.9:1"), netip.MustParseAddrPort("127.0.0.8:1")}
	err := askControls(context.Background(), dialTCP, addrs)
	want := "127.0.0.8:1: connect: connection refused; 127.0.0.9:1: connect: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
