package controller

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A Loaded is a configuration with its zones, compiled: all that can be known
// before anything is probed.
type Loaded struct {
	Config *config.Config
	Set    *zone.Set

	alike    []int // by group: services beside its representative
	pools    map[string]*config.Pool
	policies map[string]*config.Policy
	atlas    *atlas
	marks    map[string]string // config.Service.Apart, by the name of a service
}

// Load compiles the zones of cfg. Its error is [config.Problems], every zone's
// at once. Progress, where not nil, is told how many percent of them are read,
// by the octets of their files; it may be called from several goroutines, one
// at a time.
func Load(cfg *config.Config, progress func(done, all int)) (*Loaded, error) {
	l, err := compile(cfg, nil, nil, runtime.GOMAXPROCS(0), progress)
	debug.FreeOSMemory() // what parsing needed beside the zones
	return l, err
}

// Next does what Load does for the configuration that follows l's, while l is
// in force. It costs what changed: zones whose file and configuration are as
// they were are shared with l.
//
// It takes half the processors at most, and leaves the others to those who
// answer: a thread that gives up its own finds it taken for up to 10 ms.
func (l *Loaded) Next(cfg *config.Config, progress func(done, all int)) (*Loaded, error) {
	before := make(map[string]*zone.Zone, len(l.Config.Zones))
	for _, z := range l.Set.Zones() {
		before[z.Name()] = z
	}
	next, err := compile(marked(cfg, l.marks), l, before, runtime.GOMAXPROCS(0)/2, progress)
	if err == nil {
		next.marks = l.marks
	}
	return next, err
}

// compile compiles the zones of cfg with so many hands. Before holds zones
// that may not have changed, by their names; last, places that may not have.
// Both may be nil.
func compile(cfg *config.Config, last *Loaded, before map[string]*zone.Zone, hands int, progress func(done, all int)) (*Loaded, error) {
	zones := make([]*zone.Zone, len(cfg.Zones))
	problems := make([]config.Problems, len(cfg.Zones))
	tell := teller(cfg, progress)
	var work sync.WaitGroup
	next := make(chan int)
	for range max(1, min(hands, len(cfg.Zones))) {
		work.Go(func() {
			for i := range next {
				problems[i] = guarded(cfg.Zones[i], func() (ps config.Problems) {
					zones[i], ps = parse(before[cfg.Zones[i].Name], cfg.Zones[i], cfg.Node.Name, tell)
					return ps
				})
			}
		})
	}
	for i := range cfg.Zones {
		next <- i
	}
	close(next)
	work.Wait()
	if all := slices.Concat(problems...); len(all) > 0 {
		return nil, all
	}
	l := &Loaded{Config: cfg, Set: zone.NewSet(zones)}
	l.count()
	l.name()
	if ps := circular(l); len(ps) > 0 {
		return nil, ps
	}
	l.sum()
	var err error
	if l.atlas, err = openPlaces(l, last); err != nil {
		return nil, config.Problems{{File: cfg.Path, Key: "places.databases", What: err.Error(), Mend: "put a whole database there, or name another"}}
	}
	return l, nil
}

// sum has the content of each zone summed up that will be asked for it, once
// for good: the first time costs as much as the zone has records.
func (l *Loaded) sum() {
	if !consumed(l.Config) {
		return
	}
	s := l.Set.Snapshot(0, nil, nil)
	for i := range l.Set.Zones() {
		s.ContentKey(int32(i), l.Config.Transfer.Content)
	}
}

// count fills in alike.
func (l *Loaded) count() {
	l.alike = make([]int, len(l.Set.Groups()))
	for i := range l.alike {
		l.alike[i] = -1 // the representative itself
	}
	for _, z := range l.Config.Zones {
		for _, s := range z.Services {
			l.alike[l.Set.Group(s.Name)]++
		}
	}
}

// name fills in pools and policies.
func (l *Loaded) name() {
	l.pools = make(map[string]*config.Pool, len(l.Config.Pools))
	for i := range l.Config.Pools {
		l.pools[l.Config.Pools[i].Name] = &l.Config.Pools[i]
	}
	l.policies = make(map[string]*config.Policy, len(l.Config.Policies))
	for i := range l.Config.Policies {
		l.policies[l.Config.Policies[i].Name] = &l.Config.Policies[i]
	}
}

// teller returns what parsing tells of the octets it has read, so that
// progress hears of it in percent.
func teller(cfg *config.Config, progress func(done, all int)) func(octets int) {
	if progress == nil {
		return func(int) {}
	}
	var mu sync.Mutex
	var done, all int64
	for _, z := range cfg.Zones {
		if info, err := os.Stat(z.File); err == nil {
			all += info.Size()
		}
	}
	return func(octets int) {
		mu.Lock()
		defer mu.Unlock()
		done += int64(octets)
		progress(int(100*min(done, all)/max(all, 1)), 100) // included files may make it more
	}
}

// guarded makes a panic of work on z a problem of z: no zone, however strange,
// ends a node that serves others.
func guarded(z config.Zone, work func() config.Problems) (ps config.Problems) {
	defer func() {
		if p := recover(); p != nil {
			ps = config.Problems{{File: z.File, Key: "zones[" + z.Name + "]", What: fmt.Sprintf("internal error: %v", p), Mend: "please report it, with the zone"}}
		}
	}()
	return work()
}

// parse compiles one zone, of which before may be an earlier version. Its files
// are read through an os.Root, so that no $INCLUDE leaves the folder of the
// zone file, not by a symbolic link either.
func parse(before *zone.Zone, z config.Zone, node string, tell func(octets int)) (*zone.Zone, config.Problems) {
	var files fs.FS
	if z.File != "" {
		root, err := os.OpenRoot(filepath.Dir(z.File))
		if err != nil {
			return nil, config.Problems{{File: z.File, What: "cannot open the zone file's folder: " + err.Error(),
				Mend: "name a file that this user may read"}}
		}
		defer root.Close()
		files = root.FS()
	}
	return zone.Reparse(before, z, node, files, tell)
}

// circular finds pools whose host name leads, through static CNAMEs of our
// own zones, to a name that shunt itself steers: probing it would ask the
// answer whether the answer is right.
func circular(l *Loaded) config.Problems {
	var ps config.Problems
	for _, p := range l.Config.Pools {
		if p.CNAME == "" {
			continue
		}
		if lead := l.Set.Static(p.CNAME); lead.Steered {
			what := "circular check: shunt itself steers " + p.CNAME
			if lead.Name != p.CNAME {
				what = fmt.Sprintf("circular check: %s leads to %s, which shunt itself steers", p.CNAME, lead.Name)
			}
			ps = append(ps, config.Problem{File: l.Config.Path, Key: "pools[" + p.Name + "].cname", What: what,
				Mend: "let the pool's host name lead to the CDN's own name"})
		}
	}
	return ps
}

// goodKey names what the last good order of s hangs on, so that it finds its
// way over a reload or a restart: its pools in order, and whether their host
// names must have resolved. A reload of weights or TTLs in the middle of an
// outage changes nothing.
func goodKey(s config.Service) string {
	var b strings.Builder
	if s.Flatten {
		b.WriteString("flat")
	}
	for _, c := range s.Pools {
		b.WriteString(" " + c.Pool)
		if c.Policy != "" {
			b.WriteString("policy:" + c.Policy)
		}
	}
	return b.String()
}
