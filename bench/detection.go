//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A detection is how long shunt alone took to notice faults, with `interval:
// 1s, fall: 3`: from the fault of an endpoint to the first answer that is
// another, one value for each service. Each has an endpoint of its own, which
// fails at a moment of its own.
type detection struct {
	after   map[fault][]time.Duration // limit: not seen
	watched []time.Duration           // killed, with interval: 30s and watch
	limit   time.Duration
}

const (
	detectedServices = 10
	detectedTimeout  = time.Second // of their probes
)

// detectionGoals are the most that the medians shall be.
var detectionGoals = map[fault]time.Duration{
	refuses: 800 * time.Millisecond,
	resets:  800 * time.Millisecond,
	fails:   900 * time.Millisecond,
	hangs:   800*time.Millisecond + detectedTimeout,
}

// watchedGoal is that of a killed endpoint that is watched.
const watchedGoal = time.Second

// hostsOf returns the addresses of the endpoints, those that are watched, and
// the path that is left when they fail.
func hostsOf() (plain, watched []string, spare string) {
	for i := range detectedServices {
		plain = append(plain, fmt.Sprintf("127.0.10.%d", i+1))
		watched = append(watched, fmt.Sprintf("127.0.11.%d", i+1))
	}
	return plain, watched, "127.0.10.254"
}

// detectionPeer is shunt with a service for each endpoint.
func detectionPeer(path string) peer {
	p := shuntPeer(path)
	p.name = "shunt detecting"
	p.files = func(s site) map[string]string {
		var pools, services strings.Builder
		plain, watched, spare := hostsOf()
		for i := range detectedServices {
			fmt.Fprintf(&pools, "  - {name: p%d, addresses: [%s], monitors: [web]}\n  - {name: w%d, addresses: [%s], monitors: [watched]}\n", i, plain[i], i, watched[i])
			fmt.Fprintf(&services, "      - {name: p%d, pools: [p%d, spare], moves: 0}\n      - {name: w%d, pools: [w%d, spare]}\n", i, i, i, i)
		}
		return map[string]string{"shunt.yaml": fmt.Sprintf(`node: {name: ns1.bench.test, state_dir: %[1]s/state}
listen: {dns: ["127.0.0.1:%[2]d"], control: %[1]s/c.sock}
monitors:
  - {name: web, http: {host: bench.test, port: %[3]d, path: /}, interval: 1s, timeout: %[4]v, fall: 3, rise: 1, hold_down: 0s}
  - {name: watched, http: {host: bench.test, port: %[3]d, path: /}, interval: 30s, timeout: %[4]v, fall: 3, watch: true}
pools:
%[5]s  - {name: spare, addresses: [%[6]s], monitors: [web]}
zones:
  - name: bench.test
    file: %[7]s
    services:
%[8]s`, s.dir, s.port, s.web, detectedTimeout, pools.String(), spare, s.zone, services.String())}
	}
	return p
}

// detecting breaks each endpoint in each way, times times; with 0, each in one
// way, which is soon over.
func (l *lab) detecting(ctx context.Context, shunt string, times int) (*detection, error) {
	say("detection")
	plain, watched, spare := hostsOf()
	hosts := append(append(append([]string{}, plain...), watched...), spare)
	edges, port, err := edgesOnOnePort(hosts)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, e := range edges {
			e.close()
		}
	}()
	s, err := l.alone(detectionPeer(shunt), 10, port)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	d := &detection{after: map[fault][]time.Duration{}, limit: 8 * time.Second}
	if err := l.settled(ctx, s, "w", watched); err != nil {
		return nil, err
	}
	ways := []fault{refuses, resets, fails, hangs}
	for n := range max(1, times*len(ways)) {
		way := func(i int) fault {
			if times == 0 {
				return ways[i%len(ways)]
			}
			return ways[n%len(ways)]
		}
		if err := l.settled(ctx, s, "p", plain); err != nil {
			return nil, err
		}
		after, err := detectOnce(s.port, "p", way, edges[:detectedServices], spare, d.limit)
		if err != nil {
			return nil, err
		}
		for i, e := range edges[:detectedServices] {
			d.after[way(i)] = append(d.after[way(i)], after[i])
			if err := e.mend(); err != nil {
				return nil, err
			}
		}
	}
	killed := func(int) fault { return refuses }
	d.watched, err = detectOnce(s.port, "w", killed, edges[detectedServices:2*detectedServices], spare, d.limit)
	return d, err
}

// settled waits until each service answers with the endpoint of its own.
func (l *lab) settled(ctx context.Context, s *server, prefix string, hosts []string) error {
	end := time.Now().Add(30 * time.Second)
	for i, host := range hosts {
		w, err := newWatch(s.port, fmt.Sprintf("%s%d.%s", prefix, i, origin), host)
		if err != nil {
			return err
		}
		for began := time.Now(); !w.changed(time.Since(began)); time.Sleep(time.Millisecond) {
			if err := ctx.Err(); err != nil || time.Now().After(end) || s.proc.ended() {
				w.close()
				return fmt.Errorf("%s%d does not answer %s: %v\n%s", prefix, i, host, err, s.proc.tail())
			}
		}
		w.close()
	}
	return nil
}

// detectOnce breaks each of edges in its way at a random moment of two
// intervals, and asks for their services each millisecond until all answers have changed.
func detectOnce(port int, prefix string, way func(i int) fault, edges []*edge, spare string, limit time.Duration) ([]time.Duration, error) {
	n := len(edges)
	watches := make([]*watch, n)
	at, began, after := make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	for i := range edges {
		w, err := newWatch(port, fmt.Sprintf("%s%d.%s", prefix, i, origin), spare)
		if err != nil {
			return nil, err
		}
		defer w.close()
		watches[i], at[i] = w, 200*time.Millisecond+rand.N(2*time.Second)
	}
	start := time.Now()
	for open := n; open > 0; time.Sleep(200 * time.Microsecond) {
		for i, e := range edges {
			now := time.Since(start)
			switch {
			case after[i] > 0 || now < at[i]:
			case began[i] == 0:
				began[i] = now
				e.fail(way(i))
			case watches[i].changed(now):
				after[i] = time.Since(start) - began[i]
				open--
			case now-began[i] > limit:
				after[i] = limit
				open--
			}
		}
	}
	return after, nil
}
