package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Server answers DNS over UDP and TCP on a fixed set of addresses. Make one
// with Listen, give it a snapshot with Swap, then call Serve. All methods may
// be called from any goroutine.
//
// A change of config.DNS takes effect at once, by SetDNS; it costs no socket
// and no connection. Only the listen addresses (config.Listen.DNS) and the
// number of workers, one for each core that GOMAXPROCS allows at Listen, are
// fixed until the process starts anew.
//
// On Linux, Serve raises GOMAXPROCS to three times that number for good: a UDP
// or TCP worker that waits for its next packet keeps its P, so the others need
// their own.
type Server struct {
	answerer *Answerer
	gate     *gate
	udp      udpSide
	tcp      tcpSide
	secure   []tcpSide // TLS and HTTPS
	addrs    []netip.AddrPort

	addrsTLS, addrsHTTPS []netip.AddrPort
}

const (
	stopGrace    = 2 * time.Second // for replies under way when Serve ends
	portAttempts = 20              // to find a port free for both UDP and TCP
)

// Listen opens every UDP and TCP socket, so that privileges can be dropped
// afterwards, and answers nothing yet. For port 0 it finds a port that is free
// for both. Either all sockets are open or an error names the one that is not.
func Listen(addrs []netip.AddrPort, c config.DNS, log *slog.Logger) (*Server, error) {
	if len(addrs) == 0 {
		return nil, errors.New("no address to listen on")
	}
	return listen(addrs, c, log, newUDP, newTCP)
}

// The makers of the two sides of a server with a number of workers.
type (
	udpMaker func(*Answerer, int) (udpSide, error)
	tcpMaker func(*Answerer, *gate, int) (tcpSide, error)
)

// listen is Listen with the sides that newUDP and newTCP make.
func listen(addrs []netip.AddrPort, c config.DNS, log *slog.Logger, newUDP udpMaker, newTCP tcpMaker) (*Server, error) {
	n := 1
	if reusePort {
		n = cores()
	}
	a := NewAnswerer(c, n, log)
	udp, err := newUDP(a, n)
	if err != nil {
		return nil, err
	}
	g := newGate(a)
	tcp, err := newTCP(a, g, cores())
	if err != nil {
		udp.close()
		return nil, err
	}
	s := &Server{answerer: a, gate: g, udp: udp, tcp: tcp}
	for _, addr := range addrs {
		if err := s.listen(addr); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// listen opens the TCP socket of addr and the UDP sockets on the same port.
func (s *Server) listen(addr netip.AddrPort) error {
	var err error
	for range portAttempts {
		var bound netip.AddrPort
		if bound, err = s.tcp.listen(addr); err != nil {
			return explain("tcp", addr, err)
		}
		if err = s.udp.listen(bound); err == nil {
			s.addrs = append(s.addrs, bound)
			return nil
		}
		s.tcp.unlisten()
		if addr.Port() != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return explain("udp", addr, err)
}

// explain says what to do about a socket that did not open.
func explain(network string, addr netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("listen on %s/%s: %w; ports below 1024 need root or CAP_NET_BIND_SERVICE", addr, network, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s/%s: %w; is another DNS server running? (ss -lntup shows what has the port)", addr, network, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s/%s: %w; this machine has no such address (ip address lists those it has)", addr, network, err)
	}
	return fmt.Errorf("listen on %s/%s: %w", addr, network, err)
}

// Addrs returns the addresses in the order given to Listen, with the ports
// that were found for port 0.
func (s *Server) Addrs() []netip.AddrPort { return slices.Clone(s.addrs) }

// Swap takes a snapshot into service with one atomic store. Until the first,
// every question gets SERVFAIL with extended error 14, Not Ready.
func (s *Server) Swap(z *zone.Snapshot) { s.answerer.Swap(z) }

// SetDNS takes new settings into service; queries under way finish with the
// old ones, and open connections may keep their present idle deadline.
func (s *Server) SetDNS(c config.DNS) { s.answerer.SetDNS(c) }

// Steered returns what the pools of wanted services answered, see
// [Answerer.Steered].
func (s *Server) Steered(want func(service string) bool) []SteeredCount {
	return s.answerer.Steered(want)
}

// Stats sums the counters of all workers and connections.
func (s *Server) Stats() Stats {
	st := s.answerer.Stats()
	s.gate.addTo(&st)
	return st
}

// Serve answers until ctx ends, then closes every socket; replies under way
// get two seconds. It returns nil then, and may be called once.
func (s *Server) Serve(ctx context.Context) error {
	makeRoomForBoth(cores())
	var running sync.WaitGroup
	running.Go(func() {
		s.udp.serve()
		s.udp.close()
	})
	for _, side := range s.streams() {
		running.Go(side.serve)
	}
	<-ctx.Done()
	s.stop()
	running.Wait()
	return nil
}

// Close closes every socket of a server that is not going to Serve.
func (s *Server) Close() { s.close() }

// streams returns the sides that have connections.
func (s *Server) streams() []tcpSide { return append([]tcpSide{s.tcp}, s.secure...) }

// stop ends Serve's loops.
func (s *Server) stop() {
	s.udp.stop()
	for _, side := range s.streams() {
		side.stop()
	}
}

func (s *Server) close() {
	s.stop()
	s.udp.close()
	for _, side := range s.streams() {
		side.close()
	}
}
