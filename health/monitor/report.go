package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/health"
)

// maxReports is how many probes of one ProbeNow run at once.
const maxReports = 64

// A Report is what one probe of [Runner.ProbeNow] saw.
type Report struct {
	Target health.Target // the zero Addr, and no Monitor, is the look-up of the pool's host name
	Result health.Result
	Addrs  []netip.Addr  // what a look-up found
	TTL    time.Duration // of Addrs
}

// ProbeNow looks up the host name of pool and runs each of its monitors
// against each of its addresses once, now. The reports come in that order:
// the look-up, then by address and monitor. Verdicts do not move. Where the
// look-up fails, the last good addresses are probed.
//
// The only errors are a pool that is not configured and the end of ctx.
func (r *Runner) ProbeNow(ctx context.Context, pool string) ([]Report, error) {
	plan := r.plan.Load()
	def, ok := plan.pool(pool)
	if !ok {
		return nil, fmt.Errorf("there is no pool %q", pool)
	}
	checks := plan.checksOf(def)
	addrs := tidyAll(def.Addresses)
	var reports []Report
	if def.CNAME != "" {
		o := run(ctx, job{
			lookup:  r.d.resolver(plan.cfg.Resolvers, def),
			timeout: lookupCheck(checks).def.Timeout,
		})
		reports = append(reports, Report{
			Target: health.Target{Pool: pool}, Result: o.r, Addrs: o.found.Addrs, TTL: o.found.TTL,
		})
		if addrs = o.found.Addrs; !o.r.OK {
			addrs = r.lastGood(pool)
		}
	}
	first := len(reports)
	var jobs []job
	for _, a := range addrs {
		for _, c := range checks {
			jobs = append(jobs, job{addr: a, ask: c.ask, timeout: c.def.Timeout})
			reports = append(reports, Report{Target: health.Target{Pool: pool, Monitor: c.def.Name, Addr: a}})
		}
	}
	slots := make(chan struct{}, maxReports)
	var wg sync.WaitGroup
	for i, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			reports[first+i].Result = run(ctx, j).r
			<-slots
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("probing %s: %w", pool, err)
	}
	return reports, nil
}

// lastGood returns the addresses of pool as last published.
func (r *Runner) lastGood(pool string) []netip.Addr {
	p := r.Table().Pools[pool]
	if p == nil {
		return nil
	}
	addrs := make([]netip.Addr, len(p.Endpoints))
	for i, e := range p.Endpoints {
		addrs[i] = e.Addr
	}
	return addrs
}
