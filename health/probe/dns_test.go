package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/health/probe/probetest"
)

func startDNS(t *testing.T, addr string) *probetest.DNS {
	t.Helper()
	d, err := probetest.Start(netip.AddrPortFrom(netip.MustParseAddr(addr), 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func set(t *testing.T, d *probetest.DNS, mode probetest.Mode, records ...string) {
	t.Helper()
	if err := d.Set(host, mode, records...); err != nil {
		t.Fatal(err)
	}
}

func TestDNSProbe(t *testing.T) {
	a := host + ". 30 IN A 192.0.2.1"
	for _, c := range []struct {
		name   string
		mode   probetest.Mode
		record string
		expect string
		class  health.Class
		reason string
	}{
		{"a record", probetest.Answer, a, "", health.None, ""},
		{"the record", probetest.Answer, a, "192.0.2.1", health.None, ""},
		{"another record", probetest.Answer, a, "192.0.2.9", health.WrongBody, `answer of 127.0.0.5 lacks "192.0.2.9": it begins “192.0.2.1”`},
		{"no record", probetest.Answer, "", "", health.WrongBody, "answer of 127.0.0.5 lacks a record: it is empty"},
		{"cut off, whole over TCP", probetest.Truncate, a, "192.0.2.1", health.None, ""},
		{"cut off, closed over TCP", probetest.HalfCut, a, "", health.Refused, "127.0.0.5 closed the connection before it answered"},
		{"no such name", probetest.NXDomain, "", "", health.Status, "NXDOMAIN from 127.0.0.5 for www.example.test. A"},
		{"server failure", probetest.ServFail, "", "", health.Status, "SERVFAIL from 127.0.0.5 for www.example.test. A"},
		{"refused", probetest.Refuse, "", "", health.Status, "REFUSED from 127.0.0.5 for www.example.test. A"},
		{"silence", probetest.Hang, "", "", health.Network, "no answer from 127.0.0.5 within 400ms"},
		{"replies to others", probetest.WrongID, a, "", health.Network, "no answer from 127.0.0.5 within 400ms"},
		{"replies to other questions", probetest.WrongName, a, "", health.Network, "no answer from 127.0.0.5 within 400ms"},
		{"garbage", probetest.Garbage, a, "", health.Network, "no answer from 127.0.0.5 within 400ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := startDNS(t, "127.0.0.5")
			if c.record == "" {
				set(t, d, c.mode)
			} else {
				set(t, d, c.mode, c.record)
			}
			m := monitor(config.DNS_, d.Addr().Port(), "")
			m.Ask.Expect = c.expect
			if c.class == health.Network {
				m.Timeout = short
			}
			expect(t, run(t, m, d.Addr().Addr()), c.class, c.reason)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		d := startDNS(t, "127.0.0.5")
		at := d.Addr()
		d.Close()
		expect(t, run(t, monitor(config.DNS_, at.Port(), ""), at.Addr()), health.Refused, "127.0.0.5 refused the connection")
	})
}

// chain is what a resolver answers for a CDN's host name.
var chain = []string{
	host + ". 300 IN CNAME edge.cdn.test.",
	"edge.cdn.test. 60 IN CNAME geo.cdn.test.",
	"geo.cdn.test. 20 IN A 192.0.2.2",
	"geo.cdn.test. 20 IN A 192.0.2.1",
	"geo.cdn.test. 40 IN AAAA 2001:db8::1",
	"other.test. 5 IN A 203.0.113.1",
}

// TestLookup plays several resolvers; want is the addresses and the TTL, or
// the error.
func TestLookup(t *testing.T) {
	type server struct {
		mode    probetest.Mode
		records []string
	}
	good := server{probetest.Answer, chain}
	second := server{probetest.Answer, []string{host + ". 10 IN A 192.0.2.7"}}
	fail := func(m probetest.Mode) server { return server{mode: m} }
	for _, c := range []struct {
		name    string
		servers []server
		within  time.Duration
		want    string
	}{
		{"a chain, sorted, with its smallest TTL", []server{good}, enough, "192.0.2.1 192.0.2.2 2001:db8::1 20s"},
		{"the first in order wins", []server{good, second, second}, enough, "192.0.2.1 192.0.2.2 2001:db8::1 20s"},
		{"order is not speed", []server{second, good}, enough, "192.0.2.7 10s"},
		{"a failing first is passed over", []server{fail(probetest.ServFail), second}, enough, "192.0.2.7 10s"},
		{"an NXDOMAIN of one is no word of all", []server{fail(probetest.NXDomain), second}, enough, "192.0.2.7 10s"},
		{"a silent first costs the grace only", []server{fail(probetest.Hang), second}, 900 * time.Millisecond, "192.0.2.7 10s"},
		{"half an answer comes after a whole one", []server{{probetest.HangAAAA, chain}, second}, 900 * time.Millisecond, "192.0.2.7 10s"},
		{"half an answer is better than none", []server{{probetest.HangAAAA, chain}, fail(probetest.ServFail)}, enough, "192.0.2.1 192.0.2.2 20s"},
		{"cut off, whole over TCP", []server{{probetest.Truncate, chain}}, enough, "192.0.2.1 192.0.2.2 2001:db8::1 20s"},
		{"a forged reply is no reply", []server{{probetest.WrongID, chain}, second}, enough, "192.0.2.7 10s"},
		{"a filtered name has no address", []server{{probetest.Answer, []string{host + ". 1 IN A 0.0.0.0"}}, second}, enough, "192.0.2.7 10s"},
		{"a TTL beyond measure is none", []server{{probetest.Answer, []string{host + ". 4294967295 IN A 192.0.2.7"}}}, enough, "192.0.2.7 0s"},
		{"a loop of CNAMEs ends", []server{{probetest.Answer, []string{host + ". 1 IN CNAME a.test.", "a.test. 1 IN CNAME " + host + "."}}, second}, enough, "192.0.2.7 10s"},
		{"all fail, each in its way", []server{fail(probetest.NXDomain), fail(probetest.ServFail), fail(probetest.Hang), fail(probetest.Answer), fail(probetest.Refuse)}, enough,
			"www.example.test has no addresses (#0: NXDOMAIN; #1: SERVFAIL; #2: timed out; #3: no addresses; #4: REFUSED)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var addrs []netip.AddrPort
			for _, s := range c.servers {
				d := startDNS(t, "127.0.0.6")
				set(t, d, s.mode, s.records...)
				addrs = append(addrs, d.Addr())
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			begin := time.Now()
			got, err := probe.Lookup(ctx, addrs, host)
			if took := time.Since(begin); took > c.within {
				t.Errorf("took %s", took)
			}
			if text := describe(got, err, addrs); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

// describe puts the outcome of a look-up into one line, its servers by number.
func describe(a probe.Addresses, err error, servers []netip.AddrPort) string {
	if err != nil {
		text := err.Error()
		for i, s := range servers {
			text = strings.ReplaceAll(text, s.String(), fmt.Sprintf("#%d", i))
		}
		return text
	}
	var b strings.Builder
	for _, addr := range a.Addrs {
		fmt.Fprintf(&b, "%s ", addr)
	}
	return b.String() + a.TTL.String()
}

func TestLookupIsBounded(t *testing.T) {
	d := startDNS(t, "127.0.0.6")
	var records []string
	for i := range 80 {
		records = append(records, fmt.Sprintf("%s. 30 IN A 192.0.2.%d", host, 200-i), fmt.Sprintf("%s. 30 IN A 192.0.2.%d", host, 200-i))
	}
	set(t, d, probetest.Truncate, records...)
	got, err := probe.Lookup(context.Background(), []netip.AddrPort{d.Addr()}, host)
	if err != nil || len(got.Addrs) != 64 || got.Addrs[0].String() != "192.0.2.121" {
		t.Errorf("%d addresses from %v, %v", len(got.Addrs), got.Addrs, err)
	}

	set(t, d, probetest.Hang)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := probe.Lookup(ctx, []netip.AddrPort{d.Addr()}, host); err == nil || time.Since(begin) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := probe.Lookup(ctx, []netip.AddrPort{d.Addr()}, host); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := probe.Lookup(context.Background(), nil, host); err == nil {
		t.Error("no resolvers, no error")
	}
	d.Close()
	if _, err := probe.Lookup(context.Background(), []netip.AddrPort{d.Addr()}, host); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}

// Dead resolvers are told from a dead name: only the one is the name's fault.
func TestLookupTellsDeafFromDead(t *testing.T) {
	for _, c := range []struct {
		what string
		fail func(*probetest.DNS)
		deaf bool
	}{
		{"the name times out, the root does not", func(d *probetest.DNS) { set(t, d, probetest.Hang) }, false},
		{"the name fails", func(d *probetest.DNS) { set(t, d, probetest.ServFail) }, false},
		{"everything fails", func(d *probetest.DNS) {
			set(t, d, probetest.ServFail)
			_ = d.Set(".", probetest.ServFail)
		}, true},
		{"we are refused", func(d *probetest.DNS) {
			set(t, d, probetest.Refuse)
			_ = d.Set(".", probetest.Refuse)
		}, true},
		{"there is no such name", func(d *probetest.DNS) {
			set(t, d, probetest.NXDomain)
			_ = d.Set(".", probetest.Refuse)
		}, false},
		{"nothing is answered in time", func(d *probetest.DNS) { d.Delay(5 * time.Second) }, true},
		{"nobody is there", func(d *probetest.DNS) { d.Close() }, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := startDNS(t, "127.0.0.6")
			c.fail(d)
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			_, err := probe.Lookup(ctx, []netip.AddrPort{d.Addr()}, host)
			if err == nil || errors.Is(err, probe.ErrDeaf) != c.deaf {
				t.Errorf("%v; want deaf: %v", err, c.deaf)
			}
		})
	}
}

// A question that is lost is asked again.
func TestLookupAsksAgain(t *testing.T) {
	d := startDNS(t, "127.0.0.6")
	set(t, d, probetest.Hang)
	time.AfterFunc(500*time.Millisecond, func() { _ = d.Set(host, probetest.Answer, chain...) })
	got, err := probe.Lookup(context.Background(), []netip.AddrPort{d.Addr()}, host)
	if err != nil || len(got.Addrs) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}
