package resolver

import "net/netip"

// ListenTLS opens listeners for DNS over TLS (RFC 7858), and for resolvers that
// try it unasked (RFC 9539): the protocol is "dot", where the client names one.
// It is called before Serve, and before privileges are dropped. Either all are
// open or an error names the one that is not.
func (s *Server) ListenTLS(addrs []netip.AddrPort, k *Keypair) error {
	side := newPlain(s.answerer, s.gate, cores(), TLS)
	side.tls = k.config("dot")
	bound, err := s.listenSecure(side, addrs)
	s.addrsTLS = bound
	return err
}

// ListenHTTPS opens listeners for DNS over HTTPS (RFC 8484), at the URL path,
// which begins with a slash; else it is as ListenTLS. HTTP's own deadlines are
// those of config.TCP at this moment.
func (s *Server) ListenHTTPS(addrs []netip.AddrPort, path string, k *Keypair) error {
	bound, err := s.listenSecure(newDoH(s.answerer, s.gate, cores(), path, k), addrs)
	s.addrsHTTPS = bound
	return err
}

// listenSecure opens side on addrs.
func (s *Server) listenSecure(side tcpSide, addrs []netip.AddrPort) (bound []netip.AddrPort, err error) {
	for _, addr := range addrs {
		at, err := side.listen(addr)
		if err != nil {
			side.close()
			return nil, explain("tcp", addr, err)
		}
		bound = append(bound, at)
	}
	s.secure = append(s.secure, side)
	return bound, nil
}

// AddrsTLS returns the addresses in the order given to ListenTLS, with the
// ports that were found for port 0.
func (s *Server) AddrsTLS() []netip.AddrPort { return s.addrsTLS }

// AddrsHTTPS is AddrsTLS for ListenHTTPS.
func (s *Server) AddrsHTTPS() []netip.AddrPort { return s.addrsHTTPS }
