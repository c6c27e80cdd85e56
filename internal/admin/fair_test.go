package admin

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestFair: one address cannot hold all connections, and gets back those that
// it lets go.
func TestFair(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fair{Listener: l, held: map[netip.Prefix]int{}}
	defer f.Close()
	accepted := make(chan net.Conn, 3*mostOfOne)
	go func() {
		for {
			c, err := f.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("x"))
			accepted <- c
		}
	}()
	// dial reports whether a connection from an address is taken.
	dial := func(from string) bool {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
		c, err := d.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	for i := range mostOfOne {
		if !dial("127.0.0.2") {
			t.Fatalf("refused after %d", i)
		}
	}
	if dial("127.0.0.2") {
		t.Error("one too many is taken")
	}
	if !dial("127.0.0.3") {
		t.Error("another address is shut out")
	}
	c := <-accepted
	c.Close()
	c.Close() // counts once
	if !dial("127.0.0.2") || dial("127.0.0.2") {
		t.Error("one that was let go does not come back, or two do")
	}
	for range mostOfOne + 1 {
		(<-accepted).Close()
	}
	if len(f.held) != 0 {
		t.Errorf("held are %v", f.held)
	}
}

// TestLimited: only where others than this machine come, one may not hold all.
func TestLimited(t *testing.T) {
	for at, want := range map[string]int{"192.0.2.1": mostOfOne, "::": mostOfOne, "127.0.0.1": mostOfOne + 1, "::1": mostOfOne + 1} {
		inner, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := limited(inner, netip.MustParseAddr(at))
		for range mostOfOne + 1 {
			c, err := net.Dial("tcp4", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		taken := make(chan net.Conn, mostOfOne+1)
		over := make(chan struct{})
		go func() {
			defer close(over)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				taken <- c
			}
		}()
		time.Sleep(100 * time.Millisecond)
		l.Close()
		<-over
		if len(taken) != want {
			t.Errorf("at %s one client holds %d connections, want %d", at, len(taken), want)
		}
		for len(taken) > 0 {
			(<-taken).Close()
		}
	}
}
