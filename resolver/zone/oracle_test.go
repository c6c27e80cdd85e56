package zone

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/shunt-dns/shunt/config"
)

// An oracle answers by RFC 1034 §4.3.2 in the plainest way: it walks down from
// the apex label by label over records as miekg/dns reads them. It shares no
// code with the package.
type oracle struct {
	origin string
	rrs    map[string][]dns.RR // by owner in lower case
	exists map[string]bool     // owners and all names above them, within the zone
}

func newOracle(origin string, text string) (*oracle, error) {
	o := &oracle{origin: origin, rrs: map[string][]dns.RR{}, exists: map[string]bool{}}
	zp := dns.NewZoneParser(strings.NewReader(text), origin, "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		dup := slices.ContainsFunc(o.rrs[name], func(r dns.RR) bool { return dns.IsDuplicate(r, rr) })
		if !dup {
			o.rrs[name] = append(o.rrs[name], rr)
		}
		for ; ; name = parentOf(name) {
			o.exists[name] = true
			if name == origin {
				break
			}
		}
	}
	return o, zp.Err()
}

func parentOf(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

func starOf(name string) string {
	if name == "." {
		return "*."
	}
	return "*." + name
}

func (o *oracle) get(name string, typ uint16) (out []dns.RR) {
	for _, rr := range o.rrs[name] {
		if rr.Header().Rrtype == typ {
			out = append(out, rr)
		}
	}
	return out
}

func as(rrs []dns.RR, owner string) (out []dns.RR) {
	for _, rr := range rrs {
		c := dns.Copy(rr)
		c.Header().Name = owner
		out = append(out, c)
	}
	return out
}

// answer returns the reply to a question in the zone.
func (o *oracle) answer(name string, typ uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Authoritative = true
	var left []string
	used := map[string]int{}
	for len(left) < maxChain {
		next, ok := o.step(m, name, typ, len(left), used)
		left = append(left, name)
		if !ok || !dns.IsSubDomain(o.origin, next) || slices.Contains(left, next) {
			break
		}
		name = next
	}
	return m
}

// step answers for one name and returns the next.
func (o *oracle) step(m *dns.Msg, name string, typ uint16, hops int, used map[string]int) (next string, ok bool) {
	labels := dns.SplitDomainName(strings.TrimSuffix(name, o.origin))
	at := o.origin
	for i := len(labels); ; i-- {
		if ns := o.get(at, dns.TypeNS); at != o.origin && ns != nil && (i > 0 || typ != dns.TypeDS) {
			m.Authoritative = hops > 0
			m.Ns = ns
			o.hosts(m, ns)
			return "", false
		}
		if i == 0 {
			return o.found(m, o.rrs[at], name, typ)
		}
		if dn := o.get(at, dns.TypeDNAME); dn != nil {
			return o.rename(m, dn[0].(*dns.DNAME), name, at, typ, hops, used)
		}
		down := labels[i-1] + "." + at
		if at == "." {
			down = labels[i-1] + "."
		}
		if o.exists[down] {
			at = down
			continue
		}
		if star := starOf(at); o.exists[star] {
			return o.found(m, o.rrs[star], name, typ)
		}
		m.Rcode = dns.RcodeNameError
		o.soa(m)
		return "", false
	}
}

func (o *oracle) rename(m *dns.Msg, dn *dns.DNAME, name, at string, typ uint16, hops int, used map[string]int) (string, bool) {
	size, _ := dns.PackDomainName(name, make([]byte, 300), 0, nil, false)
	first, met := used[at] // the length of the name that first met it
	if met && size > first && hops >= maxGrown {
		return "", false
	}
	if !met {
		m.Answer = append(m.Answer, as([]dns.RR{dn}, at)...)
		used[at] = size
	}
	prefix := strings.TrimSuffix(name, at)
	if at == "." {
		prefix = name
	}
	target := prefix + dn.Target
	if dn.Target == "." {
		target = prefix
	}
	buf := make([]byte, 300)
	if n, err := dns.PackDomainName(target, buf, 0, nil, false); err != nil || n > 255 {
		m.Rcode = dns.RcodeYXDomain
		return "", false
	}
	m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: 1, Ttl: dn.Hdr.Ttl}, Target: target})
	return dns.CanonicalName(target), typ != dns.TypeCNAME && !dns.IsSubDomain(at, dns.CanonicalName(dn.Target))
}

func (o *oracle) found(m *dns.Msg, rrs []dns.RR, name string, typ uint16) (string, bool) {
	var set, alias []dns.RR
	for _, rr := range rrs {
		if rr.Header().Rrtype == typ {
			set = append(set, rr)
		}
		if rr.Header().Rrtype == dns.TypeCNAME {
			alias = append(alias, rr)
		}
	}
	switch {
	case set != nil:
		m.Answer = append(m.Answer, as(set, name)...)
		o.hosts(m, set)
	case alias != nil:
		m.Answer = append(m.Answer, as(alias, name)...)
		return dns.CanonicalName(alias[0].(*dns.CNAME).Target), true
	default:
		o.soa(m)
	}
	return "", false
}

func (o *oracle) soa(m *dns.Msg) {
	soa := dns.Copy(o.get(o.origin, dns.TypeSOA)[0]).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	m.Ns = []dns.RR{soa}
}

// hosts adds the addresses of the hosts that rrs name.
func (o *oracle) hosts(m *dns.Msg, rrs []dns.RR) {
	for _, rr := range rrs {
		host, glue := "", false
		switch rr := rr.(type) {
		case *dns.NS:
			host, glue = rr.Ns, true
		case *dns.MX:
			host = rr.Mx
		case *dns.SRV:
			host = rr.Target
		}
		name := dns.CanonicalName(host)
		if host == "" || host == "." || !dns.IsSubDomain(o.origin, name) || !glue && o.redirected(name) {
			continue
		}
		at := name
		for !o.exists[at] {
			at = parentOf(at)
		}
		if at != name {
			if at = starOf(at); !o.exists[at] {
				continue
			}
		}
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
			m.Extra = append(m.Extra, as(o.get(at, typ), host)...)
		}
	}
}

// redirected reports whether a name is at or below a delegation or below a
// DNAME.
func (o *oracle) redirected(name string) bool {
	for at := name; at != o.origin; at = parentOf(at) {
		if o.get(at, dns.TypeNS) != nil || at != name && o.get(at, dns.TypeDNAME) != nil {
			return true
		}
	}
	return name != o.origin && o.get(o.origin, dns.TypeDNAME) != nil
}

// compare asks both and returns how they differ, as sets of lines.
func compare(o *oracle, snap *Snapshot, name string, typ uint16) string {
	want := o.answer(dns.CanonicalName(name), typ)
	got, _, err := snap.Records(dns.CanonicalName(name), typ, netip.Addr{}, 0)
	if err != nil {
		return err.Error()
	}
	show := func(m *dns.Msg) string {
		return fmt.Sprintf("%s aa=%v\nAN %q\nNS %q\nAR %q", dns.RcodeToString[m.Rcode], m.Authoritative, lines(m.Answer), lines(m.Ns), lines(m.Extra))
	}
	if show(want) != show(got) {
		return fmt.Sprintf("oracle %s\nours %s", show(want), show(got))
	}
	return ""
}

// The words that small zones are made of.
var (
	oracleLabels = []string{"a", "b", "c", "*", "aa"}
	oracleTypes  = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypeMX, dns.TypeSRV, dns.TypeTXT, dns.TypeDS, dns.TypeSOA}
)

// smallText makes the text of a small zone: pick(n) chooses one of n.
func smallText(origin string, pick func(int) int) string {
	name := func() string {
		n := origin
		for range pick(4) {
			n = strings.TrimSuffix(oracleLabels[pick(len(oracleLabels))]+"."+n, "..") + "."
			n = strings.ReplaceAll(n, "..", ".")
		}
		return n
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s 500 IN SOA ns. hm. 1 2 3 4 %d\n%s 500 IN NS %s\n", origin, []int{60, 900}[pick(2)], origin, name())
	alone, renamed := map[string]bool{}, map[string]bool{}
	taken := map[string]bool{origin: true}
	for range 1 + pick(10) {
		owner := name()
		if alone[owner] {
			continue
		}
		switch kind := pick(8); {
		case kind == 0 && !taken[owner]:
			fmt.Fprintf(&b, "%s 500 IN CNAME %s\n", owner, name())
			alone[owner] = true
		case kind == 1 && !renamed[owner]:
			fmt.Fprintf(&b, "%s 500 IN DNAME %s\n", owner, name())
			renamed[owner] = true
		case kind == 2:
			fmt.Fprintf(&b, "%s 500 IN NS %s\n", owner, name())
		case kind == 3:
			fmt.Fprintf(&b, "%s 500 IN MX 1 %s\n", owner, name())
		case kind == 4:
			fmt.Fprintf(&b, "%s 500 IN SRV 1 2 3 %s\n", owner, name())
		case kind == 5:
			fmt.Fprintf(&b, "%s 500 IN TXT %d\n", owner, pick(2))
		case kind == 6:
			fmt.Fprintf(&b, "%s 500 IN AAAA ::%d\n", owner, pick(3))
		default:
			fmt.Fprintf(&b, "%s 500 IN A 192.0.2.%d\n", owner, pick(3))
		}
		taken[owner] = true
	}
	return b.String()
}

// smallName returns a name to ask for in such a zone.
func smallName(origin string, pick func(int) int) string {
	n := origin
	for range pick(6) {
		n = strings.ReplaceAll(oracleLabels[pick(len(oracleLabels))]+"."+n, "..", ".")
	}
	return n
}

// checkSmall makes one small zone and asks some questions of it.
func checkSmall(t interface{ Fatalf(string, ...any) }, tb testing.TB, origin string, pick func(int) int) {
	text := smallText(origin, pick)
	o, err := newOracle(origin, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	serial := uint32(pick(3)) * 0x7fffffff
	snap := NewSet([]*Zone{parse(tb, origin, text)}).Snapshot(1, nil, []uint32{serial})
	if serial > 0 { // else that of the file stands
		o.get(origin, dns.TypeSOA)[0].(*dns.SOA).Serial = serial
	}
	if diff := o.compareContents(snap); diff != "" {
		t.Fatalf("%s\n%s", text, diff)
	}
	for range 12 {
		name, typ := smallName(origin, pick), oracleTypes[pick(len(oracleTypes))]
		if diff := compare(o, snap, name, typ); diff != "" {
			t.Fatalf("%s\n%s %s\n%s", text, name, dns.Type(typ), diff)
		}
	}
}

// compareContents holds Contents to all records of o.
func (o *oracle) compareContents(snap *Snapshot) string {
	got, want := map[string]int{}, map[string]int{}
	for set := range snap.Contents(0, config.OnePool) {
		for _, rr := range set.Records {
			got[rr.String()]++
		}
	}
	for owner, rrs := range o.rrs {
		for _, rr := range as(rrs, owner) {
			rr.Header().Ttl = slices.MinFunc(o.get(owner, rr.Header().Rrtype), func(x, y dns.RR) int {
				return cmp.Compare(x.Header().Ttl, y.Header().Ttl)
			}).Header().Ttl // RFC 2181 §5.2
			want[rr.String()]++
		}
	}
	if !maps.Equal(got, want) {
		return fmt.Sprintf("contents\n%v\nwant\n%v", got, want)
	}
	return ""
}

// TestOracle compares Append with the oracle on random small zones.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		origin := rapid.SampledFrom([]string{".", "test.", "zone.test."}).Draw(rt, "origin")
		checkSmall(rt, t, origin, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
	})
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 2000 {
		checkSmall(t, t, []string{".", "test.", "zone.test."}[i%3], r.IntN)
	}
}
