//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A server is a peer that runs.
type server struct {
	peer
	site
	bin  string
	proc *process
	ttl  int // of the zone's records, in seconds
}

// smallZone is how many records each zone has that is there beside the one
// that is asked for.
const smallZone = 1000

// A lab holds what all runs share: where, on which CPUs, and which peers are
// installed.
type lab struct {
	dir       string
	serverCPU int
	web       *web
	peers     []peer
	bins      map[string]string // by command
	missing   []string
	runs      int  // folders given out
	others    int  // zones of smallZone records that servers have beside the one that is asked for
	open      bool // sites are made so that who asks from 127.0.0.1 is given the zone
}

// newLab finds the peers and starts the web server on the paths.
func newLab(dir string, serverCPU int, all []peer) (*lab, error) {
	l := &lab{dir: dir, serverCPU: serverCPU, bins: map[string]string{}}
	for _, p := range all {
		bin, err := find(p.command)
		if err != nil {
			l.missing = append(l.missing, p.name)
			continue
		}
		l.bins[p.command] = bin
		l.peers = append(l.peers, p)
	}
	var err error
	l.web, err = serveWeb()
	return l, err
}

// freePort returns a port that is free on 127.0.0.1 for UDP and TCP.
func freePort() (int, error) {
	for range 50 {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := ln.Addr().(*net.TCPAddr).Port
		pc, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		ln.Close()
		if err == nil {
			pc.Close()
			return port, nil
		}
	}
	return 0, errors.New("no port is free for both UDP and TCP")
}

// otherZone returns the name of the zone with number i that is there beside.
func otherZone(i int) string { return fmt.Sprintf("z%04d.test", i) }

// prepare makes the folder of a server with its configuration and a zone of n
// names, and starts nothing.
func (l *lab) prepare(p peer, n int) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	l.runs++
	dir := filepath.Join(l.dir, fmt.Sprintf("%s-%d", strings.ReplaceAll(p.name, " ", "-"), l.runs))
	s := &server{peer: p, bin: l.bins[p.command], ttl: 300}
	s.site = site{dir: dir, port: port, web: l.web.port, zone: filepath.Join(dir, "zones", "bench.test"), open: l.open}
	for _, sub := range []string{"zones", "run", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	for i := range l.others {
		s.others = append(s.others, otherZone(i))
	}
	if p.files != nil {
		if err := s.zoneFile(n, 1); err != nil {
			return nil, err
		}
		if err := s.smallFiles(); err != nil {
			return nil, err
		}
		for name, text := range p.files(s.site) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// zoneFile replaces the master file atomically.
func (s *server) zoneFile(n, serial int) error {
	extra := ""
	if s.extra != nil {
		extra = s.extra(s.site)
	}
	temp := filepath.Join(s.dir, "next.zone")
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	if err := writeZone(f, n, serial, s.ttl, extra); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(temp, s.zone)
}

// smallFiles writes the master files of the other zones.
func (s *server) smallFiles() error {
	for _, name := range s.others {
		f, err := os.Create(s.file(name))
		if err != nil {
			return err
		}
		if err := writeSmall(f, name, smallZone); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// launch starts the prepared server.
func (s *server) launch(l *lab) (err error) {
	s.proc, err = start(l.serverCPU, s.dir, filepath.Join(s.dir, "log"), s.argv(s.bin, s.site))
	return err
}

// stop ends the server and removes its folder.
func (s *server) stop() {
	if s.proc != nil {
		s.proc.stop()
	}
	os.RemoveAll(s.dir)
}

// fits says whether the server takes part in the work.
func (s *server) fits(w work) bool { return s.can&w.need != 0 }

// check waits until the server answers each of the works it takes part in.
func (s *server) check(ctx context.Context, all []work) error {
	for _, w := range all {
		if !s.fits(w) || s.can == fixed {
			continue
		}
		if err := await(ctx, w, s, 30*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// startAll starts every installed peer that can do one of the works, and
// returns only once all answer right.
func (l *lab) startAll(ctx context.Context, n int, all []work) (servers []*server, err error) {
	defer func() {
		if err != nil {
			stopAll(servers)
			servers = nil
		}
	}()
	for _, p := range l.peers {
		if !slices.ContainsFunc(all, func(w work) bool { return p.can&w.need != 0 }) {
			continue
		}
		s, err := l.prepare(p, n)
		if err != nil {
			return servers, err
		}
		if err := s.launch(l); err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		if err := s.check(ctx, all); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

func stopAll(servers []*server) {
	for _, s := range servers {
		s.stop()
	}
}
