package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseWhere reads a place as it is written in the configuration. The error
// says how to write it.
//
//	text             kind          what
//	DE               Country       ISO 3166-1, or XK
//	US-CA            Subdivision   ISO 3166-2: a country, a hyphen, 1 to 3 letters and digits
//	EU               Union         the members of the European Union
//	continent:EU     Continent     AF, AN, AS, EU, NA, OC or SA
//	AS64500          ASN           1–4294967295
//	192.0.2.0/24     Network       an address alone is a network of one
//
// Case counts: AS is American Samoa, as64500 a mistake.
func ParseWhere(text string) (Where, error) {
	w, mend := parseWhere(text)
	if mend != "" {
		return Where{}, fmt.Errorf("%q is not a place (%s)", clip(text), mend)
	}
	return w, nil
}

// parseWhere is ParseWhere; mend says how text, which is no place, should be
// written.
func parseWhere(text string) (w Where, mend string) {
	if strings.Contains(text, "/") || strings.Contains(text, ":") && !strings.HasPrefix(strings.ToLower(text), "continent:") || strings.Count(text, ".") == 3 {
		net, mend := parsePrefix(text)
		return Where{Kind: Network, Network: net}, mend
	}
	if code, ok := strings.CutPrefix(text, "continent:"); ok {
		if isContinent(code) {
			return Where{Kind: Continent, Code: code}, ""
		}
		return w, "the continents are continent:AF, AN, AS, EU, NA, OC and SA"
	}
	if number, ok := strings.CutPrefix(text, "AS"); ok && number != "" {
		if n, err := parseASN(number); err == nil {
			return Where{Kind: ASN, ASN: n}, ""
		}
	}
	if country, part, ok := strings.Cut(text, "-"); ok && ContinentOf(country) != "" && isPart(part) {
		return Where{Kind: Subdivision, Code: strings.Clone(text)}, ""
	}
	switch {
	case text == "EU":
		return Where{Kind: Union, Code: "EU"}, ""
	case ContinentOf(text) != "":
		return Where{Kind: Country, Code: strings.Clone(text)}, ""
	}
	return w, mendWhere(text)
}

// parseASN reads the number of an autonomous system, with or without AS
// before it (RFC 5396 §2: asplain).
func parseASN(text string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32)
	if err == nil && n == 0 {
		err = errors.New("0 is reserved (RFC 7607)")
	}
	return uint32(n), err
}

// parsePrefix reads a network, or says in mend how to write it.
func parsePrefix(text string) (net netip.Prefix, mend string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		net = netip.PrefixFrom(a, a.BitLen())
	} else if net, err = netip.ParsePrefix(text); err != nil {
		return netip.Prefix{}, "write an address and a prefix length, as in 192.0.2.0/24"
	}
	switch {
	case net != net.Masked():
		return netip.Prefix{}, "it has bits set behind its prefix: write " + net.Masked().String()
	case net.Addr().Is4In6() && net.Bits() >= 96:
		return netip.Prefix{}, "write the IPv4 network: " + netip.PrefixFrom(net.Addr().Unmap(), net.Bits()-96).String()
	}
	return net, ""
}

// isPart reports whether code is the second part of a subdivision's.
func isPart(code string) bool {
	for i := range len(code) {
		if c := code[i]; (c < 'A' || c > 'Z') && !digit(c) {
			return false
		}
	}
	return len(code) >= 1 && len(code) <= 3
}

// mendWhere says what may have been meant by text, which is no place.
func mendWhere(text string) string {
	upper := strings.ToUpper(text)
	for _, wrong := range []struct{ text, right string }{
		{"UK", "GB"}, {"EL", "GR"}, {"EUROPE", "continent:EU"}, {"AFRICA", "continent:AF"}, {"ASIA", "continent:AS"}, {"OCEANIA", "continent:OC"}, {"OC", "continent:OC"},
	} {
		if wrong.text == upper {
			return "did you mean " + wrong.right + "?"
		}
	}
	if upper != text {
		if _, mend := parseWhere(strings.Replace(upper, "CONTINENT:", "continent:", 1)); mend == "" {
			return "did you mean " + strings.Replace(upper, "CONTINENT:", "continent:", 1) + "?"
		}
	}
	if country, part, ok := strings.Cut(text, "_"); ok && ContinentOf(country) != "" && isPart(part) {
		return "did you mean " + country + "-" + part + "?"
	}
	if country, _, ok := strings.Cut(text, "-"); ok && ContinentOf(country) == "" {
		return fmt.Sprintf("there is no country %q; a subdivision is written US-CA", clip(country))
	}
	return "write a country (DE), a subdivision (US-CA), the union (EU), a continent (continent:EU), an AS number (AS64500) or a network (192.0.2.0/24)"
}

// String returns w as ParseWhere reads it.
func (w Where) String() string {
	switch w.Kind {
	case Continent:
		return "continent:" + w.Code
	case ASN:
		return "AS" + strconv.FormatUint(uint64(w.ASN), 10)
	case Network:
		return w.Network.String()
	case Anywhere:
		return "anywhere"
	}
	return w.Code
}

// whereWords are the kinds of place, as prefer.by names them.
func whereWords() []string {
	return []string{"continent", "union", "country", "subdivision", "asn", "network"}
}

// String returns k as prefer.by names it.
func (k WhereKind) String() string {
	if words := whereWords(); k >= 1 && int(k) <= len(words) {
		return words[k-1]
	}
	return "anywhere"
}

// where reads a place.
func (r *reader) where(p path, s scalar) (Where, bool) {
	if !s.set() {
		return Where{}, false
	}
	w, mend := parseWhere(s.text)
	if mend != "" {
		r.problem(p, s, fmt.Sprintf("%q is not a place", clip(s.text)), mend)
		return Where{}, false
	}
	return w, true
}

// point reads "latitude, longitude" in degrees.
func (r *reader) point(p path, s scalar) Point {
	if !s.set() {
		return Point{}
	}
	north, east, ok := strings.Cut(s.text, ",")
	lat, err := degrees(north, 90)
	lon, err2 := degrees(east, 180)
	if !ok || err != nil || err2 != nil {
		r.problem(p, s, fmt.Sprintf("%q is not a latitude and a longitude", clip(s.text)), `write degrees, as in "52.37, 4.90": north and east are positive, -90 to 90 and -180 to 180`)
		return Point{}
	}
	return Point{Known: true, Lat: lat, Lon: lon}
}

func degrees(text string, most float64) (float64, error) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789.+-") != "" { // no exponents, NaN or hexadecimal
		return 0, errors.New("not a decimal number")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (f < -most || f > most) {
		err = errors.New("out of range")
	}
	return f, err
}
