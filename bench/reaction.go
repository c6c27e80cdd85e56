//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// A reaction is how servers took the faults of a path; a value each time.
type reaction struct {
	after map[fault]map[string][]time.Duration // from the fault to the first changed answer; limit: not seen
	flip  []time.Duration                      // of shunt with many services: from the deciding 500 to it
	lost  []int                                // of 20,000 queries a second to that server
	limit time.Duration
}

// faultNames are the rows of the report.
var faultNames = map[fault]string{refuses: "connection refused", resets: "connection reset", fails: "500", hangs: "hangs"}

const (
	crowded   = 100_000 // services of the shunt that is under load
	fallShot  = 3       // probes that decide, in the configuration of shunt
	crowdHost = "crowd.bench.test"
)

// crowdPeer is shunt with many services on the same three paths.
func crowdPeer(path string) peer {
	p := shuntPeer(path)
	p.name, p.can, p.note = "shunt 100k", crowd, ""
	p.files = func(s site) map[string]string { return shuntFiles(s, crowdHost, crowded) }
	return p
}

// reacting breaks the first path times times in each way, and watches all
// servers that steer at once: they probe the same web servers.
func (l *lab) reacting(ctx context.Context, times int) (*reaction, error) {
	say("faults of a path")
	fo := work{key: "failover", ask: ask("fo."+origin, 1, typeA, 0, 1), need: steered | crowd}
	servers, err := l.startAll(ctx, 10, []work{fo})
	if err != nil {
		return nil, err
	}
	defer stopAll(servers)
	r := &reaction{after: map[fault]map[string][]time.Duration{}, limit: 8 * time.Second}
	for range times {
		for _, f := range []fault{refuses, fails, hangs} {
			if err := l.breakOnce(f, servers, &fo, r); err != nil {
				return nil, err
			}
			if err := l.web.first.mend(); err != nil {
				return nil, err
			}
			for _, s := range servers {
				if err := await(ctx, fo, s, 30*time.Second); err != nil {
					return nil, err
				}
			}
		}
	}
	return r, nil
}

// breakOnce breaks the first path at a random phase of the probes, with load
// on the crowded server, until all have changed their answer.
func (l *lab) breakOnce(f fault, servers []*server, fo *work, r *reaction) error {
	watches := make([]*watch, len(servers))
	port := servers[0].port
	for i, s := range servers {
		w, err := newWatch(s.port, "fo."+origin, paths[1])
		if err != nil {
			return err
		}
		defer w.close()
		watches[i] = w
		if s.can == crowd {
			port = s.port
		}
	}
	load, err := newSender(port, &fo.ask)
	if err != nil {
		return err
	}
	defer load.close()
	at := before + rand.N(2*time.Second)
	var began time.Duration
	seen := make([]time.Duration, len(servers))
	open := len(servers)
	err = load.pace(reloadRate, at+r.limit, func(now time.Duration) bool {
		if now < at {
			return true
		}
		if began == 0 {
			l.web.first.fail(f)
			began = load.since()
		}
		for i, w := range watches {
			if seen[i] == 0 && w.changed(now) {
				seen[i] = load.since()
				open--
			}
		}
		return open > 0
	})
	if err != nil {
		return err
	}
	if r.after[f] == nil {
		r.after[f] = map[string][]time.Duration{}
	}
	for i, s := range servers {
		after := r.limit
		if seen[i] > 0 {
			after = seen[i] - began
		}
		r.after[f][s.name] = append(r.after[f][s.name], after)
		if s.can != crowd {
			continue
		}
		r.lost = append(r.lost, load.lost+load.wrong)
		if answers := l.web.first.failures(crowdHost); f == fails && seen[i] > 0 && len(answers) >= fallShot {
			r.flip = append(r.flip, load.start.Add(seen[i]).Sub(answers[fallShot-1]))
		}
	}
	return nil
}
