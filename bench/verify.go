//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// verify asks the server at port one question of the work and reads the whole
// answer. Load looks only at rcode and counts.
func verify(w work, port int) error {
	buf := make([]byte, packet)
	const number = 17
	msg := new(dns.Msg)
	if err := msg.Unpack(buf[:w.ask.write(buf, 4711, number)]); err != nil {
		return fmt.Errorf("%s: our own query: %w", w.key, err)
	}
	network := "udp"
	if w.tcp != udp {
		network = "tcp"
	}
	client := dns.Client{Net: network, Timeout: 50 * time.Millisecond}
	r, _, err := client.Exchange(msg, fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("%s: %w", w.key, err)
	}
	if why := faults(w, r, number); why != "" {
		return fmt.Errorf("%s: %s in\n%v", w.key, why, r)
	}
	return nil
}

// faults says what is wrong with the answer, or "".
func faults(w work, r *dns.Msg, number int) string {
	q := &w.ask
	switch {
	case r.Rcode != int(q.rcode):
		return "rcode " + dns.RcodeToString[r.Rcode]
	case len(r.Answer) != int(q.answers):
		return fmt.Sprintf("%d answers, not %d", len(r.Answer), q.answers)
	case q.rcode == dns.RcodeRefused:
		return ""
	case r.Authoritative == q.refer:
		return fmt.Sprintf("AA is %v", r.Authoritative)
	case r.IsEdns0() == nil:
		return "no OPT record"
	case q.refer:
		return referral(r)
	case q.answers == 0:
		if len(r.Ns) == 0 || r.Ns[0].Header().Rrtype != dns.TypeSOA {
			return "no SOA"
		}
		return ""
	}
	a, ok := r.Answer[0].(*dns.A)
	if !ok || !strings.EqualFold(a.Hdr.Name, r.Question[0].Name) {
		return "another record"
	}
	if want := expected(w, number); !slices.Contains(want, a.A.String()) {
		return fmt.Sprintf("%v, not %v", a.A, want)
	}
	return ""
}

// referral says what is missing from a delegation with glue.
func referral(r *dns.Msg) string {
	if len(r.Ns) != 1 || r.Ns[0].Header().Rrtype != dns.TypeNS {
		return "no NS"
	}
	for _, rr := range r.Extra {
		if rr.Header().Rrtype == dns.TypeA {
			return ""
		}
	}
	return "no glue"
}

// expected returns the addresses of which the answer must hold one.
func expected(w work, number int) []string {
	switch w.key {
	case "failover":
		return paths[:1]
	case "weighted":
		return paths[:]
	case "geo":
		i := orderOf(network(uint32(number)))
		return paths[i : i+1]
	case "wildcard":
		return []string{"192.0.2.80"}
	}
	return []string{address(number)}
}

// await asks until the server answers right, for at most limit, and returns
// the last fault otherwise.
func await(ctx context.Context, w work, s *server, limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		err := verify(w, s.port)
		switch {
		case err == nil:
			return nil
		case s.proc.ended():
			return fmt.Errorf("%s ended: %s", s.name, s.proc.tail())
		case time.Now().After(end):
			return fmt.Errorf("%s: %w\n%s", s.name, err, s.proc.tail())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}
