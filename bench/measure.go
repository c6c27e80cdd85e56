//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// A figure is what one run of a work against one server gave.
type figure struct {
	tally
	cpu time.Duration // of the server, per right answer
	p50 time.Duration // at a fixed rate only
	rss int           // octets, at the end
}

func (f figure) qps() float64 { return float64(f.answered) / f.elapsed.Seconds() }

// busy is the share of one CPU that the server used.
func (f figure) busy() float64 { return f.cpu.Seconds() * f.qps() }

// lossShare is the share of queries without a right answer.
func (f figure) lossShare() float64 {
	if f.sent == 0 {
		return 0
	}
	return float64(f.lost+f.wrong) / float64(f.sent)
}

// A cell is the figures of one work and one server, a round each.
type cell map[string][]figure // by server

// measure puts one run of load on one server.
func measure(w work, s *server, length time.Duration) (figure, error) {
	before := s.proc.cpu()
	t, err := run(w, s.port, length)
	after := s.proc.cpu()
	if err != nil {
		return figure{}, fmt.Errorf("%s, %s: %w\n%s", s.name, w.title, err, s.proc.tail())
	}
	f := figure{tally: t, p50: t.quantile(0.5), rss: s.proc.memory()}
	f.cpu = spent(before, after) / time.Duration(max(t.answered, 1))
	f.delays = nil
	return f, nil
}

// rounds measures all works against all servers, A B C A B C, and returns the
// figures by work. The first run of each work warms up and is thrown away.
func rounds(ctx context.Context, works []work, servers []*server, n int, length time.Duration, say func(string, ...any)) (map[string]cell, error) {
	cells := map[string]cell{}
	for round := range n {
		began := time.Now()
		for _, w := range works {
			if cells[w.key] == nil {
				cells[w.key] = cell{}
			}
			for _, s := range servers {
				if !s.fits(w) {
					continue
				}
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if round == 0 {
					if _, err := run(w, s.port, length/5); err != nil {
						return nil, fmt.Errorf("%s, %s: %w\n%s", s.name, w.title, err, s.proc.tail())
					}
				}
				f, err := measure(w, s, length)
				if err != nil {
					return nil, err
				}
				cells[w.key][s.name] = append(cells[w.key][s.name], f)
			}
		}
		say("round %d of %d: %.0f s", round+1, n, time.Since(began).Seconds())
	}
	return cells, nil
}
