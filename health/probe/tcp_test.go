package probe_test

import (
	"net"
	"net/netip"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

func TestTCPSendAndExpect(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		expect config.Match
		class  health.Class
		reason string
	}{
		{"found", "+PONG\r\n", config.Match{Text: "PONG"}, health.None, ""},
		{"found by expression", "220 mail ESMTP\r\n", config.Match{Regexp: regexp.MustCompile(`^220 .*ESMTP`)}, health.None, ""},
		{"something else", "-LOADING\r\n", config.Match{Text: "PONG"}, health.WrongBody, `answer of 127.0.0.1 lacks "PONG": it begins “-LOADING”`},
		{"closed", "", config.Match{Text: "PONG"}, health.Refused, "127.0.0.1 closed the connection before it answered"},
		{"nothing expected", "", config.Match{}, health.None, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := speak(t, c.answer)
			m := monitor(config.TCP_, at.Port(), "")
			m.TCP.Send, m.TCP.Expect = "PING\r\n", c.expect
			expect(t, run(t, m, at.Addr()), c.class, c.reason)
		})
	}
}

func TestTCPAnswerThatDoesNotCome(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // the kernel accepts, nobody answers
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	m := monitor(config.TCP_, at.Port(), "")
	m.TCP.Expect, m.Timeout = config.Match{Text: "220"}, short
	expect(t, run(t, m, at.Addr()), health.Slow, "connected to 127.0.0.1, but no answer came within 400ms")
}

// TestConnectionThatDoesNotCome meets a listener whose queue is full: the
// kernel drops the SYN, as a dead network does.
func TestConnectionThatDoesNotCome(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 4}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(sa.(*syscall.SockaddrInet4).Port)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.4"), port)
	for { // fill the queue
		c, err := net.DialTimeout("tcp", at.String(), 200*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	for _, kind := range []config.Kind{config.TCP_, config.HTTP} {
		m := monitor(kind, port, "")
		m.Timeout = short
		r := run(t, m, at.Addr())
		expect(t, r, health.Network, "no connection to 127.0.0.4 within 400ms")
		if r.Phases.Connect < short*9/10 || r.Phases.Processing != 0 {
			t.Errorf("phases %+v", r.Phases)
		}
	}
}
