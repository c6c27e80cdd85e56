// Package kindtest plays one and the same scenes against every kind of provider:
// those with doubles of their vendor's API, and those with real servers. What a
// kind must do is in conformance.txt, in a notation that its head explains.
//
// It is for tests. It starts no provider and no server by itself: a Stage does.
package kindtest

import (
	"context"
	_ "embed" // the scenes
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

//go:embed conformance.txt
var conformance string

// A Stage is a provider in whose account there is Zone, and nothing in it but
// SOA and NS.
type Stage struct {
	Provider kind.Provider
	Zone     string // fully qualified
	Unknown  string // fully qualified: a zone that the account does not have

	Low    uint32                                            // seconds: the lowest TTL that may be; 0: what the provider says, and 60 at least
	Lacks  []string                                          // words of needs that the kind does not have though it says so, as types that it cannot read
	Others func(t *testing.T, records []plan.RRset)          // puts records there as somebody else would; nil: by AppendRecords
	API    func(t *testing.T, trouble string)                // has the vendor's API in trouble, or "well"; nil: it cannot be
	Served func(t *testing.T, zone string, changed []string) // looks whether a change, of these names, is served; nil: as soon as it is made
}

// Run plays all scenes. Start is called for each and returns its stage.
func Run(t *testing.T, start func(t *testing.T) Stage) {
	for _, s := range scenes(t) {
		for _, hand := range []string{"apply", "libdns"} {
			if !s.byHand(hand) {
				continue
			}
			t.Run(hand+"/"+s.title, func(t *testing.T) { s.play(t, hand, start(t)) })
		}
	}
}

// byHand reports whether s is played by that hand.
func (s scene) byHand(hand string) bool {
	other := map[string]string{"apply": "libdns", "libdns": "apply"}[hand]
	return !slices.Contains(s.needs, other)
}

// A player plays one scene.
type player struct {
	Stage
	t    *testing.T
	hand string
	able kind.Abilities
}

func (s scene) play(t *testing.T, hand string, stage Stage) {
	p := &player{Stage: stage, t: t, hand: hand}
	if a, ok := p.Provider.(kind.Abler); ok {
		p.able = a.Abilities()
	}
	for _, need := range s.needs {
		if !p.has(need) {
			t.Logf("not played: this kind has no %s", need)
			return
		}
	}
	if _, ok := p.Provider.(kind.Applier); !ok && hand == "apply" {
		t.Log("not played: this kind has no apply")
		return
	}
	for _, a := range s.acts {
		if !p.act(a) {
			t.Fatalf("conformance.txt:%d", a.at)
		}
	}
}

// has reports whether the kind has what a scene needs.
func (p *player) has(need string) bool {
	switch {
	case slices.Contains(p.Lacks, need):
		return false
	case need == "apply" || need == "libdns":
		return true
	case need == "alias":
		return p.able.Alias
	case need == "atomic":
		return p.able.Atomic
	case need == "api":
		return p.API != nil
	}
	return slices.Contains(p.able.Types, need)
}

// act does one command, and reports whether all was as it must be.
func (p *player) act(a act) bool {
	p.t.Helper()
	switch a.words[0] {
	case "others":
		p.others(p.sets(a.lines))
		return true
	case "change":
		return p.fails(p.change(a.lines), a.words[1:])
	case "set", "append", "delete":
		return p.fails(p.call(a.words[0], a.lines), a.words[1:])
	case "zone":
		return p.zone(a.lines)
	case "names":
		return p.names(a.lines)
	case "api":
		p.API(p.t, a.words[1])
		return true
	case "elsewhere":
		return p.elsewhere()
	}
	p.t.Errorf("%q is no command", a.words[0])
	return false
}

// patience is how long a call may take; for one that is to be found slow it is
// short.
const (
	patience = 30 * time.Second
	hasty    = 150 * time.Millisecond
)

func (p *player) ctx(patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.t.Context(), patience)
}

// low returns the lowest TTL that may be, in seconds.
func (p *player) low() uint32 {
	if p.Low > 0 {
		return p.Low
	}
	return max(60, uint32(p.able.MinTTL/time.Second))
}

func (p *player) others(sets []plan.RRset) {
	p.t.Helper()
	if p.Others != nil {
		p.Others(p.t, sets)
		return
	}
	ctx, cancel := p.ctx(patience)
	defer cancel()
	appender, ok := p.Provider.(libdns.RecordAppender)
	if !ok {
		p.t.Fatal("neither Others nor AppendRecords")
	}
	for _, s := range sets {
		if _, err := appender.AppendRecords(ctx, p.Zone, kind.Records(p.Zone, s)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// change makes the changes of lines by the player's hand.
func (p *player) change(lines []string) func(context.Context) error {
	changes := p.changes(lines)
	var names []string
	for _, c := range changes {
		names = append(names, c.Set().Name)
	}
	return func(ctx context.Context) error {
		var err error
		if p.hand == "apply" {
			err = p.Provider.(kind.Applier).Apply(ctx, p.Zone, changes)
		} else {
			err = p.byLibdns(ctx, changes)
		}
		if err == nil && p.Served != nil {
			p.Served(p.t, p.Zone, names)
		}
		return err
	}
}

// byLibdns makes changes by libdns' methods: what goes, then what is to be.
func (p *player) byLibdns(ctx context.Context, changes []plan.Change) error {
	var gone, come []libdns.Record
	for _, c := range changes {
		if c.After != nil {
			come = append(come, kind.Records(p.Zone, *c.After)...)
		} else {
			gone = append(gone, kind.Records(p.Zone, *c.Before)...)
		}
	}
	if len(gone) > 0 {
		deleted, err := p.Provider.DeleteRecords(ctx, p.Zone, gone)
		if err != nil {
			return err
		}
		if len(deleted) != len(gone) {
			p.t.Errorf("%d of %d records were deleted", len(deleted), len(gone))
		}
	}
	if len(come) == 0 {
		return nil
	}
	set, err := p.Provider.SetRecords(ctx, p.Zone, come)
	if err == nil && len(set) != len(come) {
		p.t.Errorf("%d of %d records were set", len(set), len(come))
	}
	return err
}

// call calls one of libdns' methods with lines.
func (p *player) call(method string, lines []string) func(context.Context) error {
	records := p.records(lines)
	return func(ctx context.Context) (err error) {
		switch method {
		case "set":
			_, err = p.Provider.SetRecords(ctx, p.Zone, records)
		case "delete":
			_, err = p.Provider.DeleteRecords(ctx, p.Zone, records)
		case "append":
			appender, ok := p.Provider.(libdns.RecordAppender)
			if !ok {
				return errors.New("it cannot append")
			}
			_, err = appender.AppendRecords(ctx, p.Zone, records)
		}
		return err
	}
}

// fails calls f, and reports whether its error is the one that words name.
func (p *player) fails(f func(context.Context) error, words []string) bool {
	p.t.Helper()
	wait := patience
	if slices.Equal(words, []string{"slow"}) {
		wait = hasty
	}
	ctx, cancel := p.ctx(wait)
	defer cancel()
	err := f(ctx)
	if !expected(err, words) {
		p.t.Errorf("the error is %v, want %s", err, strings.Join(append(words, "none")[:max(1, len(words))], " "))
		return false
	}
	return true
}

// zone reports whether all that the provider tells is in lines.
func (p *player) zone(lines []string) bool {
	p.t.Helper()
	ctx, cancel := p.ctx(patience)
	defer cancel()
	records, err := p.Provider.GetRecords(ctx, p.Zone)
	if err != nil {
		p.t.Errorf("the zone cannot be read: %v", err)
		return false
	}
	return p.compare(records, p.sets(lines))
}

// names reports whether the names in lines hold what is in lines, as a Reader
// tells, which may tell of others too.
func (p *player) names(lines []string) bool {
	p.t.Helper()
	reader, ok := p.Provider.(kind.Reader)
	if !ok {
		return true
	}
	want := p.sets(lines)
	var names []string
	for _, s := range want {
		names = append(names, s.Name)
	}
	ctx, cancel := p.ctx(patience)
	defer cancel()
	records, err := reader.Read(ctx, p.Zone, names)
	if err != nil {
		p.t.Errorf("%v cannot be read: %v", names, err)
		return false
	}
	return p.compare(slices.DeleteFunc(records, func(r libdns.Record) bool {
		return !slices.Contains(names, kind.Absolute(r.RR().Name, p.Zone))
	}), want)
}

// compare reports whether records, but for SOA and the apex's NS, are want.
func (p *player) compare(records []libdns.Record, want []plan.RRset) bool {
	p.t.Helper()
	for _, r := range records {
		if _, opaque := r.(libdns.RR); opaque && slices.Contains([]string{"A", "AAAA", "CNAME", "TXT", "MX", "NS"}, r.RR().Type) {
			p.t.Errorf("%+v is not of its type's own struct", r)
		}
	}
	sets, err := kind.RRsets(p.Zone, records)
	if err != nil {
		p.t.Errorf("%v", err)
		return false
	}
	sets = slices.DeleteFunc(sets, func(s plan.RRset) bool { return s.Type == "SOA" || s.Type == "NS" && s.Name == p.Zone })
	got, wanted := show(p.Zone, sets), show(p.Zone, want)
	if !slices.Equal(got, wanted) {
		p.t.Errorf("there is\n  %s\nand not\n  %s", strings.Join(got, "\n  "), strings.Join(wanted, "\n  "))
		return false
	}
	return true
}

// elsewhere reports whether every method says of an unknown zone that it is.
func (p *player) elsewhere() bool {
	p.t.Helper()
	if p.Unknown == "" {
		return true
	}
	ctx, cancel := p.ctx(patience)
	defer cancel()
	txt, err := plan.New("x."+p.Unknown, "TXT", max(300, p.low()), []string{`"y"`})
	if err != nil {
		p.t.Fatal(err)
	}
	records := kind.Records(p.Unknown, txt)
	_, get := p.Provider.GetRecords(ctx, p.Unknown)
	_, set := p.Provider.SetRecords(ctx, p.Unknown, records)
	_, del := p.Provider.DeleteRecords(ctx, p.Unknown, records)
	said := map[string]error{"GetRecords": get, "SetRecords": set, "DeleteRecords": del}
	if a, ok := p.Provider.(kind.Applier); ok {
		said["Apply"] = a.Apply(ctx, p.Unknown, []plan.Change{{After: &txt}})
	}
	ok := true
	for method, err := range said {
		if !errors.Is(err, kind.ErrNoZone) {
			p.t.Errorf("%s: %v", method, err)
			ok = false
		}
	}
	return ok
}
