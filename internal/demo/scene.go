package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// patience is how long a step of the scene may take before the demo gives up.
const patience = 30 * time.Second

// play tells the story, step by step; each step is what really happened.
func (s *stage) play(ctx context.Context) error {
	select {
	case <-s.node.Serving():
	case <-ctx.Done():
		return nil
	}
	s.start = time.Now()
	s.say("shunt answers at %s. Three CDNs (alpha, beta, gamma) and the origin are played on loopback,", s.dns)
	s.say("each probed every second as a user would: TLS, SNI and Host of %s, status and body.", site)
	s.hints()

	if _, err := s.until(ctx, "alpha"); err != nil {
		return err
	}
	s.say("healthy      %s leads to alpha, the first pool of its policy", site)
	if !pause(ctx, 2*time.Second) {
		return nil
	}

	if err := s.edges["alpha"].Set(cdntest.Status(500)); err != nil {
		return err
	}
	s.say("fault        alpha's edge starts to answer 500")
	took, err := s.until(ctx, "beta")
	if err != nil {
		return err
	}
	s.say("moved        %s leads to beta, %v after the fault (three failures needed, re-checked at 100 ms)", site, took.Round(10*time.Millisecond))
	s.say("             %s", s.why())
	if !pause(ctx, 3*time.Second) {
		return nil
	}

	if err := s.edges["alpha"].Set(cdntest.Healthy()); err != nil {
		return err
	}
	s.say("recovery     alpha answers 200 again; shunt waits for three successes and for the hold-down of 5 s")
	took, err = s.until(ctx, "alpha")
	if err != nil {
		return err
	}
	s.say("failed back  %s leads to alpha again, %v after its recovery", site, took.Round(100*time.Millisecond))
	if !s.opts.Once {
		s.say("")
		s.say("The node keeps running: try the commands above, or take a CDN out yourself:")
		s.say("  %s --socket %s override set alpha drain --for 10m --reason \"trying it\"", s.opts.Self, s.ctl)
		s.say("Ctrl-C ends the demo.")
	}
	return nil
}

// hints prints what to try meanwhile.
func (s *stage) hints() {
	s.say("")
	s.say("The dashboard is at http://%s/ — log in with this token:", s.web)
	s.say("  %s", s.token)
	s.say("")
	s.say("Meanwhile, in another terminal:")
	s.say("  dig @%s -p %d %s", s.dns.Addr(), s.dns.Port(), site)
	s.say("  dig @%s -p %d example.test A      # the apex: flattened to addresses", s.dns.Addr(), s.dns.Port())
	s.say("  dig @%s -p %d static.example.test +subnet=192.0.2.0/24 # 95 : 5 between alpha and beta, drawn for each network", s.dns.Addr(), s.dns.Port())
	s.say("  %s --socket %s status --watch", s.opts.Self, s.ctl)
	s.say("  %s --socket %s explain %s", s.opts.Self, s.ctl, site)
	s.say("")
}

// until asks for the site over DNS, as any client, until it leads to actor.
// The error is that of ctx when ctx ends first.
func (s *stage) until(ctx context.Context, actor string) (time.Duration, error) {
	begin := time.Now()
	for time.Since(begin) < patience {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		addrs, err := s.asker.LookupHost(ask, site+".")
		cancel()
		if err == nil && len(addrs) == 1 && addrs[0] == addrOf(actor) {
			return time.Since(begin), nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("%w: %s does not lead to %s within %v", errScene, site, actor, patience)
}

// why returns what the controller says of the site.
func (s *stage) why() string {
	for _, v := range s.node.Controller().Status().Services {
		if v.Name == site+"." {
			return v.Why
		}
	}
	return ""
}

// addrOf returns where an actor is played.
func addrOf(name string) string {
	for _, a := range actors {
		if a.name == name {
			return a.addr
		}
	}
	return ""
}

// say prints one line of the story, with the seconds since it began.
func (s *stage) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if line == "" {
		fmt.Fprintln(s.opts.Out)
		return
	}
	fmt.Fprintf(s.opts.Out, "%6.2fs  %s\n", time.Since(s.start).Seconds(), line)
}

// pause waits for d and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
