package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// whereabouts reads how to know where clients are.
func (r *reader) whereabouts(raw *rawSettings, dir string) Places {
	var out Places
	p, list, _ := r.some("places.databases", raw.Places.Databases)
	for i, s := range list {
		file := r.filePath(p.item(i), s, dir)
		switch {
		case s.text == "":
			r.problem(p.item(i), s, "the file has no name", "write the path of a database in MaxMind's format")
		case slices.Contains(out.Databases, file):
			r.problem(p.item(i), s, clip(s.text)+" stands here twice", "keep one of them")
		default:
			out.Databases = append(out.Databases, file)
		}
	}
	p, r.networks = r.one("places.networks", raw.Places.Networks)
	out.File = r.filePath(p, r.networks, dir)
	return out
}

// placeNetworks reads the networks that the file of places.networks knows.
func (r *reader) placeNetworks(places *Places) {
	if places.File == "" {
		return
	}
	sub, doc := r.beside(top("places").sub("networks"), r.networks, places.File)
	if doc == nil {
		return
	}
	places.Networks = sub.located(doc)
	r.adopt(sub)
}

// ReadNetworks reads a file as places.networks names it, of which Load has said
// that it is sound. It is for a file that is replaced while the configuration
// around it stays. The error is [Problems].
func ReadNetworks(file string) ([]Located, error) {
	r := newReader(file)
	r.networks = scalar{text: file}
	places := Places{File: file}
	r.placeNetworks(&places)
	if ps := r.sorted(); len(ps) > 0 {
		return nil, ps
	}
	return places.Networks, nil
}

// located reads the document of a file of networks.
func (r *reader) located(doc *yaml.Node) []Located {
	var raw []rawNetwork
	r.fill(path{index: -1}, doc, reflect.ValueOf(&raw).Elem())
	var out []Located
	seen := make(map[netip.Prefix]int32, len(raw))
	for i := range raw {
		if l, ok := r.known(path{index: i}, &raw[i], seen); ok {
			out = append(out, l)
		}
	}
	return out
}

// known reads what is known of one network.
func (r *reader) known(p path, raw *rawNetwork, seen map[netip.Prefix]int32) (l Located, ok bool) {
	if raw.Line == 0 {
		return l, false
	}
	if raw.Network.missing() {
		r.problem(p, at(raw.Line), "the item names no network", "write network: 192.0.2.0/24")
	} else if raw.Network.set() {
		var mend string
		if l.Network, mend = parsePrefix(raw.Network.text); mend != "" {
			r.problem(p.sub("network"), raw.Network, fmt.Sprintf("%q is not a network", clip(raw.Network.text)), mend)
		} else if line, twice := seen[l.Network]; twice {
			r.problem(p.sub("network"), raw.Network, fmt.Sprintf("%s stands in line %d already", l.Network, line), "keep one of them")
		} else {
			seen[l.Network], ok = raw.Network.line, true
		}
	}
	l.Country = r.code(p.sub("country"), raw.Country, Country, "a country", "DE")
	l.Subdivision = r.code(p.sub("subdivision"), raw.Subdivision, Subdivision, "a subdivision", "US-CA")
	r.continent(p, raw, &l)
	if raw.ASN.set() {
		n, err := parseASN(raw.ASN.text)
		if l.ASN = n; err != nil {
			r.problem(p.sub("asn"), raw.ASN, fmt.Sprintf("%q is not an AS number", clip(raw.ASN.text)), "write 64500, or AS64500")
		}
	}
	l.At = r.point(p.sub("location"), raw.Location)
	if raw.Country.missing() && raw.Subdivision.missing() && raw.Continent.missing() && raw.ASN.missing() && raw.Location.missing() {
		r.problem(p, at(raw.Line), "nothing is said of the network", "write country, subdivision, continent, asn or location")
	}
	return l, ok
}

// continent reads the continent of a network, which its country knows, which
// its subdivision knows.
func (r *reader) continent(p path, raw *rawNetwork, l *Located) {
	country, _, _ := strings.Cut(l.Subdivision, "-")
	switch {
	case l.Country == "":
		l.Country = country
	case country != "" && country != l.Country:
		r.problem(p.sub("subdivision"), raw.Subdivision, fmt.Sprintf("%s is not in %s", l.Subdivision, l.Country), "remove the country, which the subdivision tells")
	}
	l.Continent = ContinentOf(l.Country)
	if !raw.Continent.set() {
		return
	}
	code := strings.TrimPrefix(raw.Continent.text, "continent:")
	switch {
	case !isContinent(code):
		r.problem(p.sub("continent"), raw.Continent, fmt.Sprintf("%q is not a continent", clip(code)), "write AF, AN, AS, EU, NA, OC or SA")
	case l.Continent != "" && l.Continent != code:
		r.problem(p.sub("continent"), raw.Continent, fmt.Sprintf("%s is in %s, not in %s", l.Country, l.Continent, code), "remove the continent, which the country tells")
	default:
		l.Continent = strings.Clone(code)
	}
}

// code reads a place of one kind.
func (r *reader) code(p path, s scalar, kind WhereKind, what, example string) string {
	if !s.set() {
		return ""
	}
	w, mend := parseWhere(s.text)
	if mend == "" && w.Kind != kind {
		mend = "write it as in " + example
	}
	if mend != "" {
		r.problem(p, s, fmt.Sprintf("%q is not %s", clip(s.text), what), mend)
		return ""
	}
	return w.Code
}
