//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// The endpoints that are probed each second: so many pools, of so many
// addresses each.
const (
	probedPools = 200
	probedAddrs = 50
	probedHost  = "crowd.bench.test"
)

// coresGoal is the most of a core that probing all of them may take.
const coresGoal = 0.8

// A probing is what it costs shunt to probe 10,000 endpoints each second, by
// HTTP over a new connection each; a value each time.
type probing struct {
	cores  []float64       // CPU time of the process for 10,000 probes
	each   []time.Duration // CPU time for one
	rate   []float64       // probes a second
	memory []int           // resident octets at the end
}

// A sink is a web server on many addresses that costs as little as it can,
// and counts its answers.
type sink struct {
	port    int
	all     []net.Listener
	answers atomic.Int64
}

// newSink listens on n addresses from 127.0.9.1 on.
func newSink(n int) (*sink, error) {
	s := &sink{}
	for i := range n {
		ln, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", sinkAddr(i), s.port))
		if err != nil {
			s.close()
			return nil, err
		}
		s.port = ln.Addr().(*net.TCPAddr).Port
		s.all = append(s.all, ln)
		go s.serve(ln)
	}
	return s, nil
}

func sinkAddr(i int) string { return fmt.Sprintf("127.0.9.%d", i+1) }

func (s *sink) close() {
	for _, ln := range s.all {
		ln.Close()
	}
}

var (
	sinkAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
	blankLine  = []byte("\r\n\r\n")
)

func (s *sink) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 1024)
			n := 0
			for !bytes.HasSuffix(buf[:n], blankLine) {
				m, err := c.Read(buf[n:])
				if err != nil || n+m == len(buf) {
					return
				}
				n += m
			}
			s.answers.Add(1)
			c.Write(sinkAnswer)
			c.Read(buf) // the prober closes first
		}()
	}
}

// probingPeer is shunt with very many endpoints that the sink answers for.
func probingPeer(path string) peer {
	p := shuntPeer(path)
	p.name = "shunt probing"
	p.files = func(s site) map[string]string {
		var addrs, pools strings.Builder
		for i := range probedAddrs {
			fmt.Fprintf(&addrs, "%s, ", sinkAddr(i))
		}
		for i := range probedPools {
			fmt.Fprintf(&pools, "  - {name: p%d, addresses: [%s], monitors: [web]}\n", i, strings.TrimSuffix(addrs.String(), ", "))
		}
		return map[string]string{"shunt.yaml": fmt.Sprintf(`node: {name: ns1.bench.test, state_dir: %[1]s/state}
listen: {dns: ["127.0.0.1:%[2]d"], control: %[1]s/c.sock}
monitors:
  - {name: web, http: {host: %[3]s, port: %[4]d, path: /, body: ok}, interval: 1s, timeout: 1s}
pools:
%[5]szones:
  - name: bench.test
    file: %[6]s
    services:
      - {name: fo, pools: [p0, p1], policy: failover, ttl: 30s}
`, s.dir, s.port, probedHost, s.web, pools.String(), s.zone)}
	}
	return p
}

// probing measures shunt with 10,000 endpoints, times times for length.
func (l *lab) probing(ctx context.Context, shunt string, times int, length time.Duration) (*probing, error) {
	say("%s endpoints probed each second", thousands(probedPools*probedAddrs))
	web, err := newSink(probedAddrs)
	if err != nil {
		return nil, err
	}
	defer web.close()
	s, err := l.alone(probingPeer(shunt), 10, web.port)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	fo := work{key: "any", ask: ask("fo."+origin, 1, typeA, 0, 1), need: steered}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if oneAnswer(s.port, &fo.ask) {
			break
		}
		if time.Now().After(end) || s.proc.ended() || ctx.Err() != nil {
			return nil, fmt.Errorf("shunt with many endpoints does not answer\n%s", s.proc.tail())
		}
	}
	time.Sleep(4 * time.Second) // the first probes come all at once, and are then spread
	p := &probing{}
	for range times {
		began, cpu, n := time.Now(), s.proc.cpu(), web.answers.Load()
		time.Sleep(length)
		used, got, took := spent(cpu, s.proc.cpu()), web.answers.Load()-n, time.Since(began)
		p.cores = append(p.cores, used.Seconds()/float64(max(got, 1))*probedPools*probedAddrs)
		p.each = append(p.each, used/time.Duration(max(got, 1)))
		p.rate = append(p.rate, float64(got)/took.Seconds())
		p.memory = append(p.memory, s.proc.memory())
	}
	return p, ctx.Err()
}

// oneAnswer reports whether a query is answered with some records: how many
// endpoints of a pool are up by now is not asked.
func oneAnswer(port int, q *question) bool {
	c, err := net.DialTimeout("udp4", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	buf := make([]byte, packet)
	if _, err := c.Write(buf[:q.write(buf, 1, 0)]); err != nil {
		return false
	}
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Read(buf)
	return err == nil && n >= 12 && buf[2]&0x80 != 0 && buf[3]&15 == 0 && (buf[6] > 0 || buf[7] > 0)
}

// alone starts one server that no table compares with others, with a zone of n
// names and its paths at port web.
func (l *lab) alone(p peer, n, web int) (*server, error) {
	s, err := l.prepare(p, n)
	if err != nil {
		return nil, err
	}
	s.bin, s.web = p.command, web
	for name, text := range p.files(s.site) {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, s.launch(l)
}

// probes measures what only shunt has rows for: how soon it notices, and what
// its probes cost.
func (l *lab) probes(ctx context.Context, o options, r *report) error {
	shunt := l.own()
	if shunt == "" {
		return nil
	}
	times, length := min(o.rounds, 3), max(o.length, time.Second)
	if o.short {
		times = 0
	}
	var err error
	if r.detected, err = l.detecting(ctx, shunt, times); err != nil {
		return err
	}
	r.probed, err = l.probing(ctx, shunt, o.rounds, 3*length)
	return err
}
