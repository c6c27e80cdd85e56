package xfr

import (
	"context"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// settle makes what was published last what transfers are from: journals
// first, then the state, then secondaries are told.
func (p *Primary) settle(ctx context.Context) {
	p.mu.Lock()
	was, cfg := p.state.Load(), p.cfg.Load()
	p.mu.Unlock()
	snapshot := p.newest.Load()
	if snapshot == nil || !was.access.on {
		p.idle(was)
		return
	}
	s := settler{p: p, cfg: cfg, was: was, journals: map[string][]*delta{}, now: p.deps.Now()}
	now := s.state(snapshot)
	var written <-chan struct{}
	if p.clerk != nil && len(s.journals) > 0 {
		written = p.clerk.put(s.journals)
	}
	if was.snapshot == nil || was.snapshot.Set() != snapshot.Set() {
		p.tidy(now)
	}
	p.mu.Lock()
	if p.state.Load() != was { // a reload came between, and another turn follows
		now.access = p.state.Load().access
		was = p.state.Load()
	}
	p.state.Store(now)
	p.mu.Unlock()
	close(was.next)
	if written != nil {
		late := time.NewTimer(diskWait)
		defer late.Stop()
		select {
		case <-written:
		case <-late.C:
		case <-ctx.Done():
		}
	}
	p.follow(now)
}

// idle lets go of the zones while nobody may have them.
func (p *Primary) idle(was *state) {
	if was.snapshot != nil {
		p.mu.Lock()
		if p.state.Load() == was {
			p.state.Store(&state{access: was.access, next: make(chan struct{})})
			close(was.next)
		}
		p.mu.Unlock()
	}
	p.follow(p.state.Load())
}

// tidy has the journals of zones that are gone removed.
func (p *Primary) tidy(s *state) {
	if p.clerk == nil {
		return
	}
	paths := map[string]bool{}
	for e := range s.all {
		paths[p.shelf.path(e.origin)] = true
	}
	p.clerk.keepOnly(paths)
}

// A settler makes the next state.
type settler struct {
	p        *Primary
	cfg      *config.Config
	was      *state
	now      time.Time
	reach    scope
	journals map[string][]*delta // that are to be written
}

// state returns the state of snapshot.
func (s *settler) state(snapshot *zone.Snapshot) *state {
	zones := snapshot.Set().Zones()
	s.reach = scopeOf(s.cfg.Transfer.Journal, len(zones))
	now := &state{access: s.was.access, content: s.cfg.Transfer.Content, snapshot: snapshot, next: make(chan struct{}), index: s.was.index}
	if s.was.snapshot == nil || s.was.snapshot.Set() != snapshot.Set() {
		now.index = make(map[string]int32, len(zones))
		for i, z := range zones {
			now.index[z.Name()] = int32(i)
		}
	}
	now.zones = make([]*edition, len(zones))
	for i := range zones {
		e, err := s.zone(snapshot, int32(i))
		if err != nil {
			s.p.deps.Log.Error("zone is not handed on", "zone", zones[i].Name(), "error", err)
			continue
		}
		now.zones[i] = e
	}
	if origin := now.access.catalog; origin != "" {
		var err error
		if now.catalog, err = s.catalog(origin, zones); err != nil {
			s.p.deps.Log.Error("catalog is not handed on", "zone", origin, "error", err)
		}
	}
	return now
}

// zone returns the edition of zone i.
func (s *settler) zone(snapshot *zone.Snapshot, i int32) (*edition, error) {
	z, serial, content := snapshot.Zone(i), snapshot.Serial(i), s.cfg.Transfer.Content
	var before *edition
	if at, ok := s.was.index[z.Name()]; ok {
		before = s.was.zones[at]
	}
	if before != nil && before.serial() == serial && s.was.content == content {
		if before.zone == i {
			return before, nil
		}
		same := *before
		same.zone = i
		return &same, nil
	}
	soa, _, err := appendSet(nil, snapshot.SOA(i))
	if err != nil {
		return nil, err
	}
	key := snapshot.ContentKey(i, content)
	e := &edition{origin: z.Name(), zone: i, since: s.now, records: z.Records() + z.Names()}
	if before == nil {
		return s.open(e, serial, key, soa), nil
	}
	e.chain = before.chain
	var d *delta
	if s.was.content == content && s.cfg.Transfer.Journal > 0 {
		if d, err = changes(s.was.snapshot, snapshot, i, content); err != nil {
			return nil, err
		}
		if d.records > max(e.records, fewRecords) {
			d = nil
		}
	}
	e = e.next(d, serial, key, soa, s.reach, s.now)
	s.keep(e, s.reach)
	return e, nil
}

// open begins the edition of a zone with what its journal holds.
func (s *settler) open(e *edition, serial uint32, key [16]byte, soa []byte) *edition {
	e = e.opened(s.read(e.origin, s.reach), serial, key, soa, s.reach)
	s.keep(e, s.reach)
	return e
}

// read returns what the journal of a zone holds, if it is to have one.
func (s *settler) read(origin string, reach scope) []*delta {
	if s.p.clerk == nil || reach.changes == 0 {
		return nil
	}
	list, good, err := s.p.shelf.read(origin)
	if err != nil {
		s.p.deps.Log.Warn("journal not whole", "error", err)
	} else if len(list) > 0 {
		s.p.clerk.know(origin, written{list[len(list)-1].to, good})
	}
	return list
}

// keep has the journal of e written, if it is to have one.
func (s *settler) keep(e *edition, reach scope) {
	if reach.changes > 0 {
		s.journals[e.origin] = e.chain
	}
}

// catalog returns the edition of the catalog zone. Its serial is the time it
// changed, or the one after the last where that is higher, and outlives
// restarts with its journal, which it always has.
func (s *settler) catalog(origin string, zones []*zone.Zone) (*edition, error) {
	if before := s.was.catalog; before != nil && s.was.snapshot != nil && len(zones) > 0 && s.sameZones(zones) {
		return before, nil
	}
	members := make([]string, len(zones))
	for i, z := range zones {
		members[i] = z.Name()
	}
	c, err := newCatalog(origin, members)
	if err != nil {
		return nil, err
	}
	before, reach := s.was.catalog, s.reach
	reach.changes = max(1, reach.changes)
	if before == nil || before.origin != origin {
		return s.openCatalog(&edition{origin: origin, zone: -1, since: s.now, records: c.records, catalog: c}, reach)
	}
	if before.last().key == c.key {
		return before, nil
	}
	serial := max(uint32(s.now.Unix()), before.serial()+1)
	soa, err := catalogSOA(origin, serial)
	if err != nil {
		return nil, err
	}
	e := *before
	e.catalog, e.records = c, c.records
	next := e.next(c.difference(before.catalog), serial, c.key, soa, reach, s.now)
	s.keep(next, reach)
	return next, nil
}

// sameZones reports whether the snapshot before was of the same zones.
func (s *settler) sameZones(zones []*zone.Zone) bool {
	before := s.was.snapshot.Set().Zones()
	return len(before) == len(zones) && &before[0] == &zones[0]
}

// openCatalog begins the catalog with what its journal holds.
func (s *settler) openCatalog(e *edition, reach scope) (*edition, error) {
	list := s.read(e.origin, reach)
	serial := uint32(s.now.Unix())
	if len(list) > 0 {
		if end := list[len(list)-1]; end.key == e.catalog.key {
			serial = end.to
		} else if serial = max(serial, end.to+1); serial == 0 {
			serial = 1
		}
	}
	soa, err := catalogSOA(e.origin, serial)
	if err != nil {
		return nil, err
	}
	e = e.opened(list, serial, e.catalog.key, soa, reach)
	s.keep(e, reach)
	return e, nil
}
