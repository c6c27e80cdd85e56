package kind_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/internal/vendortest"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/providers/plan"
)

// rowOf returns the row of doubles of a kind.
func rowOf(t *testing.T, name string) played {
	t.Helper()
	all := doubles()
	at := slices.IndexFunc(all, func(p played) bool { return p.kind == name })
	if at < 0 {
		t.Fatalf("%s has no double", name)
	}
	return all[at]
}

// setOf returns an RRset of a line, "www.example.test. 300 A 192.0.2.1 192.0.2.2".
func setOf(t *testing.T, line string) *plan.RRset {
	t.Helper()
	var name, typ string
	var ttl uint32
	if _, err := fmt.Sscan(line, &name, &ttl, &typ); err != nil {
		t.Fatal(err)
	}
	s, err := plan.New(name, typ, ttl, strings.Fields(line)[3:])
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// changesOf returns the changes of lines "before -> after", of which one side may
// be empty.
func changesOf(t *testing.T, lines ...string) []plan.Change {
	t.Helper()
	var out []plan.Change
	for _, line := range lines {
		before, after, _ := strings.Cut(line, "->")
		var c plan.Change
		if before = strings.TrimSpace(before); before != "" {
			c.Before = setOf(t, before)
		}
		if after = strings.TrimSpace(after); after != "" {
			c.After = setOf(t, after)
		}
		out = append(out, c)
	}
	return out
}

// applyLines makes changes in example.test.
func applyLines(t *testing.T, p kind.Provider, lines ...string) error {
	t.Helper()
	return p.(kind.Applier).Apply(t.Context(), "example.test.", changesOf(t, lines...))
}

// unpublished reports whether what the zone holds is not published.
func unpublished(d *vendortest.Double) (is bool) {
	d.Edit(func(s *vendortest.State) { is = s.Zone("example.test.").Pending })
	return is
}

// TestSwapThatFails: at providers that change one record after another, an
// address that made room for a CNAME that then could not come is put back.
func TestSwapThatFails(t *testing.T) {
	for _, name := range []string{"ovh", "hetzner", "bunny", "digitalocean"} {
		t.Run(name, func(t *testing.T) {
			d, p := play(t, rowOf(t, name), "www.example.test. 300 A 192.0.2.1", "www.example.test. 300 A 192.0.2.2")
			writes := map[string]int{"hetzner": 1}[name] // that take the addresses away
			if writes == 0 {
				writes = 2
			}
			d.Fail(vendortest.Fault{Do: vendortest.Break, On: vendortest.Write, Skip: writes, Count: 1})
			err := applyLines(t, p, "www.example.test. 300 A 192.0.2.1 192.0.2.2 ->", "-> www.example.test. 300 CNAME cdn.example.net.")
			if err == nil {
				t.Fatal("the CNAME came though the API broke")
			}
			d.Fail()
			if got := www(t, p); got != "300 192.0.2.1 192.0.2.2" {
				t.Errorf("%v leaves www with %q: %q", err, got, d.Requests())
			}
			if err := applyLines(t, p, "www.example.test. 300 A 192.0.2.1 192.0.2.2 ->", "-> www.example.test. 300 CNAME cdn.example.net."); err != nil {
				t.Error(err)
			}
			if got := d.Zone("example.test."); len(got) != 1 || !strings.Contains(got[0], "CNAME") {
				t.Errorf("afterwards there is %q", got)
			}
		})
	}
}

// TestOneBadRecord: at providers that are not atomic, a record that they do not
// take keeps no other name from being changed.
func TestOneBadRecord(t *testing.T) {
	for _, name := range []string{"ovh", "hetzner", "bunny", "gandi"} {
		t.Run(name, func(t *testing.T) {
			d, p := play(t, rowOf(t, name), "a.example.test. 300 A 192.0.2.1", "bad.example.test. 300 TXT \"x\"", "z.example.test. 300 A 192.0.2.9")
			err := applyLines(t, p,
				"a.example.test. 300 A 192.0.2.1 -> a.example.test. 300 A 192.0.2.2",
				"-> bad.example.test. 300 CNAME cdn.example.net.",
				"-> new.example.test. 300 A 192.0.2.3",
				"z.example.test. 300 A 192.0.2.9 ->")
			if err == nil || !strings.Contains(err.Error(), "bad.example.test.") {
				t.Errorf("the error is %v", err)
			}
			want := []string{"a.example.test. 300 A 192.0.2.2", `bad.example.test. 300 TXT "x"`, "new.example.test. 300 A 192.0.2.3"}
			if got := d.Zone("example.test."); !slices.Equal(got, want) {
				t.Errorf("there is %q", got)
			}
			if unpublished(d) {
				t.Error("and what was taken is not published")
			}
		})
	}
}

// TestTogether: calls at one time have each their effect, also where the
// provider replaces whole RRsets.
func TestTogether(t *testing.T) {
	everyDouble(t, func(t *testing.T, p played) {
		d, opened := play(t, p, "www.example.test. 300 A 192.0.2.1")
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				rec := libdns.RR{Name: "www", TTL: 5 * time.Minute, Type: "A", Data: fmt.Sprintf("192.0.2.%d", 10+i)}
				if _, err := opened.(libdns.RecordAppender).AppendRecords(t.Context(), "example.test.", []libdns.Record{rec}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := www(t, opened); got != "300 192.0.2.1 192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13" {
			t.Errorf("there is %s: %q", got, d.Zone("example.test."))
		}
	})
}

// TestOVHPublishes: what was written is published, after a removal alone and a
// TTL alone too; what could not be is by the read that finds it; and a draft
// that is not finished is not.
func TestOVHPublishes(t *testing.T) {
	start := func(t *testing.T) (*vendortest.Double, kind.Provider) {
		return play(t, rowOf(t, "ovh"), "www.example.test. 300 A 192.0.2.1", "www.example.test. 300 A 192.0.2.2", "mail.example.test. 300 A 192.0.2.9")
	}
	for what, line := range map[string]string{
		"a removal alone": "mail.example.test. 300 A 192.0.2.9 ->",
		"one of two":      "www.example.test. 300 A 192.0.2.1 192.0.2.2 -> www.example.test. 300 A 192.0.2.2",
		"a TTL alone":     "mail.example.test. 300 A 192.0.2.9 -> mail.example.test. 60 A 192.0.2.9",
		"an addition":     "-> new.example.test. 300 A 192.0.2.3",
	} {
		d, p := start(t)
		if err := applyLines(t, p, line); err != nil || unpublished(d) {
			t.Errorf("%s: %v, pending %v", what, err, unpublished(d))
		}
		if got := d.Requests(); got[len(got)-1] != "POST /domain/zone/example.test/refresh" {
			t.Errorf("%s ends with %s", what, got[len(got)-1])
		}
	}

	t.Run("a refresh that fails", func(t *testing.T) {
		d, p := start(t)
		d.Fail(vendortest.Fault{Do: vendortest.Break, On: vendortest.Write, Skip: 1, Count: 1})
		if err := applyLines(t, p, "mail.example.test. 300 A 192.0.2.9 ->"); err == nil || !unpublished(d) {
			t.Fatalf("%v, pending %v", err, unpublished(d))
		}
		if _, err := p.(kind.Reader).Read(t.Context(), "example.test.", []string{"mail.example.test."}); err != nil || unpublished(d) {
			t.Errorf("the read that finds it says %v, pending %v", err, unpublished(d))
		}
	})

	t.Run("a draft that is not finished", func(t *testing.T) {
		d, p := start(t)
		d.Fail(vendortest.Fault{Do: vendortest.Break, On: vendortest.Write, Skip: 1, Count: 1})
		if err := applyLines(t, p, "www.example.test. 300 A 192.0.2.1 192.0.2.2 -> www.example.test. 300 A 192.0.2.3 192.0.2.4"); err == nil {
			t.Fatal("no error")
		}
		if _, err := p.GetRecords(t.Context(), "example.test."); err != nil || !unpublished(d) {
			t.Errorf("a read published half of a change: %v", err)
		}
		if err := applyLines(t, p, "www.example.test. 300 A 192.0.2.2 192.0.2.3 -> www.example.test. 300 A 192.0.2.3 192.0.2.4"); err != nil || unpublished(d) {
			t.Errorf("the next change: %v, pending %v", err, unpublished(d))
		}
	})

	t.Run("what somebody else left", func(t *testing.T) {
		d, p := start(t)
		d.Edit(func(s *vendortest.State) { s.Zone("example.test.").Pending = true })
		if _, err := p.GetRecords(t.Context(), "example.test."); err != nil || !unpublished(d) {
			t.Errorf("a read published what is not ours: %v", err)
		}
		if err := p.(interface {
			Publish(context.Context, string) error
		}).Publish(t.Context(), "example.test."); err != nil || unpublished(d) {
			t.Errorf("Publish: %v, pending %v", err, unpublished(d))
		}
	})
}

// TestOVHTypes: types of OVHcloud's own that are texts are read as such, and
// one that is replaced does not stay beside.
func TestOVHTypes(t *testing.T) {
	d, p := play(t, rowOf(t, "ovh"), `example.test. 0 SPF "v=spf1 -all"`, `k._domainkey.example.test. 300 DKIM "v=DKIM1;p=AA"`, "www.example.test. 300 CNAME cdn", "example.test. 3600 SOA x")
	recs, err := p.GetRecords(t.Context(), "example.test.")
	if err != nil {
		t.Fatal(err)
	}
	want := []libdns.Record{
		libdns.TXT{Name: "@", TTL: time.Hour, Text: "v=spf1 -all"},
		libdns.TXT{Name: "k._domainkey", TTL: 5 * time.Minute, Text: "v=DKIM1;p=AA"},
		libdns.CNAME{Name: "www", TTL: 5 * time.Minute, Target: "cdn.example.test."},
	}
	if len(recs) != len(want) || fmt.Sprint(recs) != fmt.Sprint(want) {
		t.Errorf("read as %v", recs)
	}
	if _, err := p.SetRecords(t.Context(), "example.test.", []libdns.Record{libdns.TXT{Name: "k._domainkey", TTL: time.Minute, Text: "v=DKIM1;p=BB"}}); err != nil {
		t.Fatal(err)
	}
	if got := d.Zone("example.test."); !slices.Contains(got, `k._domainkey.example.test. 60 TXT "v=DKIM1;p=BB"`) || len(got) != 4 {
		t.Errorf("there is %q", got)
	}
}

// TestDeSECFloor: a domain's lowest TTL is asked for, told by Abilities, and
// what is lower is raised to it.
func TestDeSECFloor(t *testing.T) {
	for _, floor := range []uint32{60, 3600} {
		row := rowOf(t, "desec")
		row.vendor = vendortest.DeSEC("t0ken", floor)
		d, p := play(t, row)
		if got := p.(kind.Abler).Abilities().MinTTL; got != time.Hour {
			t.Errorf("before anything is known, the lowest TTL is %v", got)
		}
		if err := applyLines(t, p, "-> www.example.test. 60 A 192.0.2.1"); err != nil {
			t.Errorf("%d: %v", floor, err)
		}
		if got, want := d.Zone("example.test."), fmt.Sprintf("www.example.test. %d A 192.0.2.1", floor); len(got) != 1 || got[0] != want {
			t.Errorf("there is %q, want %q", got, want)
		}
		if got := p.(kind.Abler).Abilities().MinTTL; got != time.Duration(floor)*time.Second {
			t.Errorf("then the lowest TTL is %v", got)
		}
	}
}

// TestDeSECRestricted: a token that is not told of domains does for their RRsets.
func TestDeSECRestricted(t *testing.T) {
	row := rowOf(t, "desec")
	row.vendor = vendortest.DeSEC("t0ken", 0)
	d, p := play(t, row)
	if err := applyLines(t, p, "-> www.example.test. 60 A 192.0.2.1"); err != nil {
		t.Error(err)
	}
	if got := d.Zone("example.test."); len(got) != 1 || got[0] != "www.example.test. 3600 A 192.0.2.1" {
		t.Errorf("there is %q", got)
	}
}

// TestOwnTypes: what only a vendor's own API can express is not changed, and not
// told as records that it is not.
func TestOwnTypes(t *testing.T) {
	for _, c := range []struct{ kind, line, change string }{
		{"scaleway", "www.example.test. 300 A 192.0.2.1; geo", "www.example.test. 300 A 192.0.2.1 -> www.example.test. 300 A 192.0.2.2"},
		{"bunny", "www.example.test. 300 PULLZONE cdn", "-> www.example.test. 300 A 192.0.2.2"},
		{"bunny", "www.example.test. 300 PULLZONE cdn", "-> www.example.test. 300 CNAME cdn.example.net."},
	} {
		d, p := play(t, rowOf(t, c.kind), c.line)
		var foreign kind.Foreign
		if err := applyLines(t, p, c.change); !errors.As(err, &foreign) || foreign.Name != "www.example.test." {
			t.Errorf("%s: the error is %v", c.kind, err)
		}
		if got := d.Zone("example.test."); !slices.Equal(got, []string{c.line}) {
			t.Errorf("%s: changed to %q", c.kind, got)
		}
	}
}

// TestBunnyDisabled: a record that nobody is answered with is not there.
func TestBunnyDisabled(t *testing.T) {
	_, p := play(t, rowOf(t, "bunny"), "www.example.test. 300 A 192.0.2.1; disabled", "www.example.test. 300 A 192.0.2.2")
	if got := www(t, p); got != "300 192.0.2.2" {
		t.Errorf("www is %s", got)
	}
}

// TestScalewayMakesNoZone: a change for a zone that is not there makes none.
func TestScalewayMakesNoZone(t *testing.T) {
	d, p := play(t, rowOf(t, "scaleway"))
	err := p.(kind.Applier).Apply(t.Context(), "example.org.", changesOf(t, "-> www.example.org. 300 A 192.0.2.1"))
	if !errors.Is(err, kind.ErrNoZone) || d.Zone("example.org.") != nil {
		t.Errorf("%v, and there is %q", err, d.Zone("example.org."))
	}
}

// TestHetznerTTL: an RRset without a TTL has its zone's.
func TestHetznerTTL(t *testing.T) {
	_, p := play(t, rowOf(t, "hetzner"), "www.example.test. 3600 A 192.0.2.1")
	if got := www(t, p); got != "3600 192.0.2.1" {
		t.Errorf("www is %s", got)
	}
	if err := applyLines(t, p, "www.example.test. 3600 A 192.0.2.1 -> www.example.test. 60 A 192.0.2.2"); err != nil {
		t.Error(err)
	}
	if got := www(t, p); got != "60 192.0.2.2" {
		t.Errorf("www is %s", got)
	}
}

// TestRequests: what a change of one name costs, in requests, is bounded: what
// is read is the name, and not the zone.
func TestRequests(t *testing.T) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("n%d.example.test. 300 A 192.0.2.%d", i, i))
	}
	lines = append(lines, "www.example.test. 300 A 192.0.2.1")
	for name, most := range map[string]int{
		"ovh":      6, // time, numbers, record; time, change, refresh
		"scaleway": 2, // read, change
		"hetzner":  3, // zone, read, change
		"gandi":    2, // read, change
		"desec":    3, // floor, read, change
		"bunny":    3, // find, read, change
	} {
		d, p := play(t, rowOf(t, name), lines...)
		if err := applyLines(t, p, "www.example.test. 300 A 192.0.2.1 -> www.example.test. 300 A 192.0.2.2"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := d.Requests(); len(got) > most {
			t.Errorf("%s: %d requests, %q", name, len(got), got)
		}
	}
}
