package zone

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// The SOA and NS records of a zone without a master file, in seconds.
const (
	madeSOATTL  = 3600
	madeNSTTL   = 86400
	madeRefresh = 3600
	madeRetry   = 600
	madeExpire  = 1209600
	madeMinimum = 60
	madeSerial  = 1
)

// maxProblems is how many problems of one zone are told. A last one says how
// many more there are.
const maxProblems = 100

// Parse compiles one zone: its master file, read from files under the last
// element of z.File, and its services. Files should be an [os.Root]'s file
// system, so that $INCLUDE stays inside the folder through any link. Node is
// the name of this process, the name server of a zone that has neither file
// nor name servers.
//
// It returns the zone, or all the problems that keep it from being served, in
// file order. What a file must keep to:
//
//	SOA            exactly one, at the apex
//	NS             at least one at the apex
//	CNAME          alone at its name but for DNSSEC records, and only one
//	DNAME          one at a name; what is below it is never answered, which is allowed
//	owner names    in the zone
//	TTLs           up to 2³¹-1 s; the lowest of an RRset counts for all of it (RFC 2181 §5.2)
//	records        no more than z.Max; those that say the same again count once
//	RRset          fits a message: 64,511 octets
//	a service      owns A, AAAA, CNAME, HTTPS and SVCB at its name, and every type when it answers a CNAME;
//	               is not at or below a delegation, nor below a DNAME
//	class          IN
//	files          1 GiB in all; $INCLUDE 8 deep, inside the folder of z.File; $GENERATE of 65,536 steps
func Parse(z config.Zone, node string, files fs.FS) (*Zone, config.Problems) {
	return ParseTelling(z, node, files, func(int) {})
}

// ParseTelling is Parse for who wants to know how far it is: tell is called
// every few thousand entries, from this goroutine, with the octets of master
// files that were read since its last call.
func ParseTelling(z config.Zone, node string, files fs.FS, tell func(octets int)) (*Zone, config.Problems) {
	return parseAfter(nil, newCutter(), z, node, files, tell)
}

// parseAfter is ParseTelling, for a zone that will have the size of prev, where
// that is not nil. Cut cuts its file into chunks.
//
// A zone without problems is made while it is read. To tell of the problems of
// one that has some takes all of its records at once, so that is read again.
func parseAfter(prev *Zone, cut *cutter, z config.Zone, node string, files fs.FS, tell func(octets int)) (*Zone, config.Problems) {
	origin, ok := wireName(dns.Fqdn(z.Name))
	if !ok {
		return nil, config.Problems{{File: z.File, What: fmt.Sprintf("%q is no name for a zone", z.Name)}}
	}
	r := newReader(z, origin, files, tell)
	r.t, r.cut = newTable(origin, dns.CanonicalName(z.Name)), cut
	if prev != nil && prev.plan != nil {
		r.t.room(prev.plan.used-prev.plan.tombs, len(prev.arena)-prev.plan.wasted, 1)
	}
	r.read(z, node)
	if built := r.finish(z, node); built != nil {
		return built, nil
	}
	r = newReader(z, origin, files, func(int) {})
	r.read(z, node)
	return r.explain(z, node)
}

func newReader(z config.Zone, origin []byte, files fs.FS, tell func(octets int)) *reader {
	r := &reader{b: newBuilder(origin), files: files, tell: tell, folder: filepath.Dir(z.File), max: z.Max, budget: maxOctets}
	if z.Max == 0 {
		r.max = defaultMax
	}
	return r
}

// read reads the zone's file, or makes up what stands for it.
func (r *reader) read(z config.Zone, node string) {
	if z.File == "" {
		r.make(z, node)
	} else {
		r.include(filepath.Base(z.File), r.b.origin, frame{})
	}
}

// explain returns the problems that all the records of r have; or, where the
// file has been mended meanwhile, their zone.
func (r *reader) explain(z config.Zone, node string) (*Zone, config.Problems) {
	r.b.sortRecords()
	r.checkRecords()
	r.addServices(z)
	if len(r.problems) > 0 {
		return nil, r.told()
	}
	r.t = newTable(r.b.origin, dns.CanonicalName(z.Name))
	r.t.take(r.b, func([]record) {}, 1)
	r.t.fit(nil)
	r.t.seal(r.b)
	r.t.z.plan = r.t.plan(z, node, nil)
	if ps := checkServices(r.t.z, z); len(ps) > 0 {
		return nil, ps
	}
	return r.t.z, nil
}

// defaultMax is the number of records a zone may have when config.Zone.Max
// says nothing.
const defaultMax = 2_000_000

// make gives a zone without a file its SOA and NS records.
func (r *reader) make(z config.Zone, node string) {
	servers := z.NS
	if len(servers) == 0 {
		servers = []string{node}
	}
	origin := r.b.origin
	var first []byte
	for _, ns := range servers {
		data, wrong := appendName(nil, []byte(dns.Fqdn(ns)), []byte{0})
		if wrong != "" {
			r.problems = append(r.problems, config.Problem{
				Key: "zones", What: fmt.Sprintf("%q is no name for a name server of %s: %s", ns, z.Name, wrong),
				Mend: "set ns of the zone, or node.name",
			})
			continue
		}
		if first == nil {
			first = data
		}
		r.b.addRecord(origin, dns.TypeNS, madeNSTTL, data, 0, 0)
	}
	soa := slices.Clone(first)
	contact := append([]byte("\x0ahostmaster"), origin...)
	if len(contact) > maxName {
		contact = []byte{0}
	}
	soa = append(soa, contact...)
	for _, n := range []uint32{madeSerial, madeRefresh, madeRetry, madeExpire, madeMinimum} {
		soa = binary.BigEndian.AppendUint32(soa, n)
	}
	r.b.addRecord(origin, dns.TypeSOA, madeSOATTL, soa, 0, 0)
}

// told returns the problems in file order, and no more than a person reads.
func (r *reader) told() config.Problems {
	order := map[string]int{}
	for i, f := range r.b.where {
		order[f] = i
	}
	slices.SortStableFunc(r.problems, func(a, b config.Problem) int {
		if a.Line == 0 || b.Line == 0 {
			return boolOrder(a.Line == 0, b.Line == 0)
		}
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Line - b.Line
	})
	if more := r.untold + len(r.problems) - maxProblems; more > 0 {
		last := r.problems[min(maxProblems, len(r.problems))-1]
		return append(r.problems[:min(maxProblems, len(r.problems))],
			config.Problem{File: last.File, What: fmt.Sprintf("%d more problems", more)})
	}
	return r.problems
}

// boolOrder sorts false before true.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// problem notes one thing that is wrong, at a line of a file.
func (r *reader) problem(file uint16, line int, mend, format string, args ...any) {
	if len(r.problems) >= 10*maxProblems {
		r.untold++
		return
	}
	r.problems = append(r.problems, config.Problem{
		File: r.b.where[file], Line: line, What: fmt.Sprintf(format, args...), Mend: mend,
	})
}

// typeName returns the mnemonic of a type, or TYPEn (RFC 3597 §5).
func typeName(typ uint16) string { return dns.Type(typ).String() }

// serviceKey is where a problem of service i of a zone stands.
func serviceKey(z config.Zone, i int) string {
	return fmt.Sprintf("zones[%s].services[%d].name", strings.TrimSuffix(z.Name, "."), i)
}
