package place

import (
	"math"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2/mmdbdata"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// A record is what databases say of a network. The makers differ:
//
//	              MaxMind, DB-IP            ip-location-db, IPinfo
//	continent     continent {code}          continent, continent_code
//	country       country {iso_code}        country, country_code
//	subdivision   subdivisions [{iso_code}] -
//	coordinates   location {latitude, …}    latitude, longitude (numbers or text)
//	AS            autonomous_system_number  the same, or asn (as AS64500)
type record struct {
	Continent     text   `maxminddb:"continent"`
	ContinentCode text   `maxminddb:"continent_code"`
	Country       text   `maxminddb:"country"`
	CountryCode   text   `maxminddb:"country_code"`
	Subdivisions  text   `maxminddb:"subdivisions"`
	Location      point  `maxminddb:"location"`
	Latitude      number `maxminddb:"latitude"`
	Longitude     number `maxminddb:"longitude"`
	System        number `maxminddb:"autonomous_system_number"`
	ASN           number `maxminddb:"asn"`
}

// decode returns what the record of r says; the zero Place where it has none
// that we understand.
func (b *book) decode(r maxminddb.Result) (p steer.Place, err error) {
	var rec record
	if err = r.Decode(&rec); err != nil || !r.Found() {
		return p, err
	}
	p.Continent = letters(rec.Continent, rec.ContinentCode)
	p.Country = letters(rec.Country, rec.CountryCode)
	if sub := strings.ToUpper(string(rec.Subdivisions)); p.Country != "" && 0 < len(sub) && len(sub) <= 3 {
		p.Subdivision = p.Country + "-" + sub
	}
	p.At = rec.Location.at()
	if !p.At.Known {
		p.At = point{rec.Latitude, rec.Longitude}.at()
	}
	for _, n := range [2]number{rec.System, rec.ASN} {
		if n.known && p.ASN == 0 && 0 < n.value && n.value <= math.MaxUint32 {
			p.ASN = uint32(n.value)
		}
	}
	return p, nil
}

// letters returns the first of texts that is a code of two letters, in upper
// case. ZZ is ISO 3166's word for unknown.
func letters(texts ...text) string {
	for _, t := range texts {
		code := strings.ToUpper(string(t))
		if len(code) == 2 && isLetter(code[0]) && isLetter(code[1]) && code != "ZZ" {
			return code
		}
	}
	return ""
}

func isLetter(c byte) bool { return 'A' <= c && c <= 'Z' }

// A text is a code: a string, the code or iso_code of a map, or that of the
// first element of a list. Anything else is empty.
type text string

// UnmarshalMaxMindDBCursor implements mmdbdata.CursorUnmarshaler.
func (t *text) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	return t.read(c, 0)
}

// read reads t at c, depth levels below the field.
func (t *text) read(c mmdbdata.Cursor, depth int) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	if err != nil {
		return c, err
	}
	switch {
	case kind == mmdbdata.KindString:
		s, next, err := c.ReadString()
		*t = text(s)
		return next, err
	case kind == mmdbdata.KindMap && depth < 2:
		return eachKey(c, func(key string, c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
			if key == "iso_code" || key == "code" {
				return t.read(c, 2)
			}
			return c.Skip()
		})
	case kind == mmdbdata.KindSlice && depth == 0:
		return t.readFirst(c)
	}
	return c.Skip()
}

// readFirst reads t from the first element of the list at c.
func (t *text) readFirst(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	list, err := c.Slice()
	if err != nil {
		return c, err
	}
	for i, at, ok := list.Next(mmdbdata.Cursor{}); ok; i, at, ok = list.Next(at) {
		if i == 0 {
			at, err = t.read(at, 1)
		} else {
			at, err = at.Skip()
		}
		if err != nil {
			return c, err
		}
	}
	return list.End()
}

// eachKey calls read with each key of the map at c and the place of its value;
// read returns the place behind it.
func eachKey(c mmdbdata.Cursor, read func(string, mmdbdata.Cursor) (mmdbdata.Cursor, error)) (mmdbdata.Cursor, error) {
	m, err := c.Map()
	if err != nil {
		return c, err
	}
	for key, at, ok := m.Next(mmdbdata.Cursor{}); ok; key, at, ok = m.Next(at) {
		if at, err = read(string(key), at); err != nil {
			return c, err
		}
	}
	return m.End()
}

// A number is a number, or text that begins with one, as 64500 or AS64500.
type number struct {
	known bool
	value float64
}

// UnmarshalMaxMindDBCursor implements mmdbdata.CursorUnmarshaler.
func (n *number) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	kind, err := c.Kind()
	if err != nil {
		return c, err
	}
	var next mmdbdata.Cursor
	switch kind {
	case mmdbdata.KindUint16, mmdbdata.KindUint32, mmdbdata.KindUint64:
		var v uint64
		v, next, err = c.ReadUint()
		n.value, n.known = float64(v), true
	case mmdbdata.KindFloat32, mmdbdata.KindFloat64:
		n.value, next, err = c.ReadFloat()
		n.known = true
	case mmdbdata.KindInt32:
		var v int32
		v, next, err = c.ReadInt32()
		n.value, n.known = float64(v), true
	case mmdbdata.KindString:
		var s string
		s, next, err = c.ReadString()
		v, bad := strconv.ParseFloat(strings.TrimPrefix(strings.ToUpper(s), "AS"), 64)
		n.value, n.known = v, bad == nil
	default:
		return c.Skip()
	}
	return next, err
}

// A point is where a network is.
type point struct{ lat, lon number }

// UnmarshalMaxMindDBCursor implements mmdbdata.CursorUnmarshaler.
func (p *point) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	if kind, err := c.Kind(); err != nil || kind != mmdbdata.KindMap {
		return c.Skip()
	}
	return eachKey(c, func(key string, c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
		switch key {
		case "latitude":
			return p.lat.UnmarshalMaxMindDBCursor(c)
		case "longitude":
			return p.lon.UnmarshalMaxMindDBCursor(c)
		}
		return c.Skip()
	})
}

// at returns p as a Point. 0°N 0°E, in the sea, is what makers write who do
// not know.
func (p point) at() config.Point {
	lat, lon := p.lat.value, p.lon.value
	known := p.lat.known && p.lon.known && math.Abs(lat) <= 90 && math.Abs(lon) <= 180 && (lat != 0 || lon != 0)
	if !known { // NaN included
		return config.Point{}
	}
	return config.Point{Known: true, Lat: lat, Lon: lon}
}
