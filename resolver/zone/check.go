package zone

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
)

// checkRecords looks at the sorted records of each name for what must not be
// together, and at the apex for what must be there.
func (r *reader) checkRecords() {
	b, at := r.b, 0
	for i := range b.drafts {
		of := b.recs[at : at+int(b.drafts[i].recs)]
		at += len(of)
		if i == 0 {
			r.checkApex(of)
		}
		r.checkNode(of)
	}
}

func (r *reader) checkApex(of []record) {
	var soas, servers int
	for i := range of {
		switch of[i].typ {
		case dns.TypeSOA:
			if soas++; soas > 1 {
				r.problem(of[i].file, int(of[i].line), "keep one", "a second SOA")
			}
		case dns.TypeNS:
			servers++
		}
	}
	if len(r.problems) > 0 {
		return // what is missing may be what was not understood
	}
	if soas == 0 {
		r.problem(0, 0, "", "the zone has no SOA record at %s", presentation(r.b.origin))
	}
	if servers == 0 {
		r.problem(0, 0, "", "the zone has no NS record at %s", presentation(r.b.origin))
	}
}

func (r *reader) checkNode(of []record) {
	var alias *record
	size := 0
	for i := range of {
		rec := &of[i]
		again := i > 0 && of[i-1].typ == rec.typ
		if !again {
			size = 0
		}
		was := size
		size += rrHead + int(rec.size)
		switch {
		case was <= maxBody && size > maxBody:
			r.problem(rec.file, int(rec.line), "", "the %s records of this name take %d octets and more, which no message can carry", typeName(rec.typ), size)
		case rec.typ == dns.TypeCNAME && again:
			r.problem(rec.file, int(rec.line), "keep one", "a second CNAME at one name")
		case rec.typ == dns.TypeDNAME && again:
			r.problem(rec.file, int(rec.line), "keep one", "a second DNAME at one name")
		case rec.typ == dns.TypeCNAME:
			alias = rec
		}
	}
	if alias != nil {
		r.checkAlone(alias, of)
	}
}

// checkAlone looks at what stands beside a CNAME (RFC 1034 §3.6.2).
func (r *reader) checkAlone(alias *record, of []record) {
	for i := range of {
		switch rec := &of[i]; {
		case rec.typ == dns.TypeSOA:
			r.problem(alias.file, int(alias.line), "name addresses, or make the apex a service", "a CNAME at the apex of the zone, beside its SOA")
			return
		case rec.typ != dns.TypeCNAME && !besideCNAME(rec.typ):
			r.problem(rec.file, int(rec.line), "keep one or the other",
				"%s beside the CNAME of line %d", typeName(rec.typ), alias.line)
		}
	}
}

// besideCNAME reports whether a type may stand beside a CNAME: only what
// signs and denies (RFC 4034 §3, §4; RFC 2535 §2.3.5 for KEY).
func besideCNAME(typ uint16) bool {
	return typ == dns.TypeRRSIG || typ == dns.TypeNSEC || typ == dns.TypeKEY || typ == dns.TypeSIG || typ == dns.TypeNXT
}

// addServices gives the names of services their groups, and refuses records
// at a name whose answers a service owns.
func (r *reader) addServices(z config.Zone) {
	if len(z.Services) == 0 {
		return
	}
	first := make([]uint32, len(r.b.drafts)) // record of each draft, as sorted
	at := uint32(0)
	for i := range r.b.drafts {
		first[i] = at
		at += r.b.drafts[i].recs
	}
	for i, s := range z.Services {
		wire, ok := wireName(dns.Fqdn(s.Name))
		if !ok || !r.b.inZone(wire) {
			r.problems = append(r.problems, config.Problem{
				Key: serviceKey(z, i), What: fmt.Sprintf("%s does not lie in the zone %s", s.Name, z.Name),
			})
			continue
		}
		d := r.b.draft(wire)
		if r.b.drafts[d].group != 0 {
			r.problems = append(r.problems, config.Problem{
				Key: serviceKey(z, i), What: fmt.Sprintf("a second service named %s", s.Name), Mend: "keep one",
			})
			continue
		}
		r.b.drafts[d].group = r.b.kinds.of(s)
		if int(d) < len(first) {
			r.checkOwned(s, r.b.recs[first[d]:first[d]+r.b.drafts[d].recs])
		}
	}
}

// checkOwned refuses the records that stand at the name of service s and that
// it would have to contradict.
//
//	type                            s answers CNAMEs   s answers addresses
//	A AAAA CNAME HTTPS SVCB         refused            refused
//	RRSIG NSEC and the like         may stand          may stand
//	any other                       refused            may stand
func (r *reader) checkOwned(s config.Service, of []record) {
	for i := range of {
		rec := &of[i]
		if !contradicts(s, rec.typ) {
			continue
		}
		owned := ownedByService(rec.typ)
		why := "whose addresses the service answers"
		if !owned {
			why = "where the service answers a CNAME, beside which nothing else may stand (RFC 1034 §3.6.2)"
		}
		r.problem(rec.file, int(rec.line), "remove the record or the service", "%s record at %s, %s", typeName(rec.typ), s.Name, why)
	}
}

// contradicts reports whether service s refuses records of a type at its name.
func contradicts(s config.Service, typ uint16) bool {
	return ownedByService(typ) || s.Alias && !besideCNAME(typ)
}

// ownedByService reports whether a service answers a type itself.
func ownedByService(typ uint16) bool {
	switch typ {
	case dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeHTTPS, dns.TypeSVCB:
		return true
	}
	return false
}

// checkServices refuses services that could never answer, because a
// delegation or a DNAME stands above them.
func checkServices(z *Zone, c config.Zone) (ps config.Problems) {
	for i, s := range c.Services {
		wire, _ := wireName(dns.Fqdn(s.Name))
		n := z.find(hashName(wire), wire)
		if z.owns(n) {
			continue
		}
		cut, what := z.at(n.cut), "DNAME"
		if cut.kind&isDelegation != 0 {
			what = "delegation"
		}
		ps = append(ps, config.Problem{
			File: c.File, Key: serviceKey(c, i),
			What: fmt.Sprintf("%s is never answered here: the %s at %s stands above it", s.Name, what, presentation(z.arena[cut.at:])),
			Mend: "remove one of the two",
		})
	}
	return ps
}
