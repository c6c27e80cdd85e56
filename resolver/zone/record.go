package zone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// record reads one entry: [owner] [TTL] [class] type data, TTL and class in
// either order.
func (r *reader) record(f *frame, text []byte) {
	rest, ok := r.owner(f, text)
	if !ok {
		return
	}
	ttl, stated, typ := uint32(0), false, uint16(0)
	for typ == 0 {
		var word []byte
		if word, rest = token(rest); len(word) == 0 {
			r.problem(f.file, f.line, "", "a record without a type")
			return
		}
		if t, ok := common(word); ok {
			typ = t // first, as most words are types, and none of them is anything else
		} else if t, ok := parseTTL(word); ok && !stated {
			ttl, stated = t, true
		} else if class, ok := parseClass(word); ok {
			if class != dns.ClassINET {
				r.problem(f.file, f.line, "", "class %s: only IN is served", word)
				return
			}
		} else if typ, ok = parseType(word); !ok {
			what := "type"
			if word[0]-'0' <= 9 {
				what = "TTL"
			}
			r.problem(f.file, f.line, "", "%s is no %s", word, what)
			return
		}
	}
	data, wrong := r.parseData(f, typ, rest)
	if wrong != "" {
		r.problem(f.file, f.line, example(typ), "%s record: %s", typeName(typ), wrong)
		return
	}
	switch {
	case stated && !f.fixed:
		f.ttl, f.hasTTL = ttl, true
	case !stated && f.hasTTL:
		ttl = f.ttl
	case !stated && typ == dns.TypeSOA:
		ttl = min(binary.BigEndian.Uint32(data[len(data)-4:]), maxTTL)
		f.ttl, f.hasTTL = ttl, true
	case !stated:
		r.problem(f.file, f.line, "begin the file with $TTL 1h", "a record without a TTL, and none before it")
		return
	}
	r.take(f, typ, ttl, data)
}

// example says how the data of a common type are written; "" for other types.
func example(typ uint16) string {
	switch typ {
	case dns.TypeA:
		return "write an IPv4 address, as 192.0.2.1"
	case dns.TypeAAAA:
		return "write an IPv6 address, as 2001:db8::1"
	case dns.TypeMX:
		return "write a preference and a host name, as 10 mail.example.com."
	case dns.TypeSRV:
		return "write priority, weight, port and a host name, as 10 5 443 www.example.com."
	}
	return ""
}

// owner reads the owner of an entry into f, and returns what follows it. Ok
// is false when there is none.
func (r *reader) owner(f *frame, text []byte) (rest []byte, ok bool) {
	if text[0] == ' ' || text[0] == '\t' {
		if f.owner == nil && !f.bad {
			r.problem(f.file, f.line, "", "a record without an owner, and none before it")
		}
		return text, f.owner != nil && !f.bad
	}
	word, rest := token(text)
	name, wrong := appendName(r.name[:0], word, f.origin)
	if f.bad = wrong != ""; f.bad {
		r.problem(f.file, f.line, "", "owner %s: %s", word, wrong)
		return nil, false
	}
	f.owner = lower(f.owner[:0], name)
	return rest, true
}

// take adds a record to the zone, if it may be there.
func (r *reader) take(f *frame, typ uint16, ttl uint32, data []byte) {
	switch {
	case !r.b.inZone(f.owner):
		r.problem(f.file, f.line, "write the record into its own zone's file, or put a dot after names that are complete",
			"%s lies outside %s", presentation(f.owner), presentation(r.b.origin))
		return
	case typ == dns.TypeSOA && len(f.owner) != len(r.b.origin):
		r.problem(f.file, f.line, "", "the SOA belongs at %s", presentation(r.b.origin))
		return
	case r.only != nil && !r.only(f.owner):
		return
	case r.recs >= r.max:
		r.problem(f.file, f.line, "raise max_records of the zone, or split it", "the zone has more than %d records", r.max)
		r.stopped = true
		return
	case r.octets() > maxMemory:
		r.problem(f.file, f.line, "split the zone", "the zone takes more than %d octets", maxMemory)
		r.stopped = true
		return
	}
	r.recs++
	r.weight += int64(len(data) + rrHead + setHead)
	r.b.addRecord(f.owner, typ, ttl, data, f.file, f.line)
}

// octets returns about how much memory the zone takes so far.
func (r *reader) octets() int64 {
	n := r.weight + int64(len(r.b.names))
	if r.t != nil {
		n = max(n+r.t.names, int64(len(r.t.z.arena)))
	}
	return n
}

// parseData returns the data of one record in wire form, names uncompressed.
// The commonest types are read here, ten times as fast as by miekg/dns, which
// reads all others and whatever looks unusual.
func (r *reader) parseData(f *frame, typ uint16, text []byte) (data []byte, wrong string) {
	if len(text) == 0 && typ != dns.TypeAPL {
		return nil, "no data"
	}
	switch typ {
	case dns.TypeA:
		if a, ok := parseIPv4(text); ok {
			return append(r.buf[:0], a[:]...), ""
		}
	case dns.TypeAAAA:
		if a, err := netip.ParseAddr(string(text)); err == nil && a.Is6() && a.Zone() == "" {
			b := a.As16()
			return append(r.buf[:0], b[:]...), ""
		}
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR, dns.TypeDNAME:
		if word, rest := token(text); len(rest) == 0 && !bytes.ContainsAny(word, `"\`) {
			return appendName(r.buf[:0], word, f.origin)
		}
	case dns.TypeMX:
		number, rest := token(text)
		word, rest := token(rest)
		n, err := strconv.ParseUint(string(number), 10, 16)
		if err == nil && len(rest) == 0 && !bytes.ContainsAny(word, `"\`) {
			return appendName(append(r.buf[:0], byte(n>>8), byte(n)), word, f.origin)
		}
	}
	return r.parseAny(f, typ, text)
}

// parseAny reads data of any type with miekg/dns.
func (r *reader) parseAny(f *frame, typ uint16, text []byte) (data []byte, wrong string) {
	line := append(r.line[:0], ". 0 IN "...)
	line = append(line, typeName(typ)...)
	line = append(line, ' ')
	line = append(line, text...)
	line = append(line, '\n')
	r.line = line
	rr, err := readRR(line, presentation(f.origin))
	if err != nil {
		return nil, plain(err)
	}
	if cap(r.pack) == 0 {
		r.pack = make([]byte, 1+rrHead+dns.MaxMsgSize)
	}
	end, err := dns.PackRR(rr, r.pack[:cap(r.pack)], 0, nil, false)
	if err != nil {
		return nil, plain(err)
	}
	head := 1 + rrHead - 2 // the root, and no pointer
	if end-head > maxBody-rrHead {
		return nil, "too long for a message"
	}
	if data = r.pack[head:end]; !wellFormed(typ, data) {
		return nil, "the data has the wrong length"
	}
	return data, ""
}

// wellFormed reports whether data has the parts that answering relies on:
// miekg/dns takes generic data (RFC 3597) of known types however short it is.
func wellFormed(typ uint16, data []byte) bool {
	at, names, after := 0, 1, 0
	switch typ {
	case dns.TypeA:
		return len(data) == 4
	case dns.TypeAAAA:
		return len(data) == 16
	case dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypePTR:
	case dns.TypeSOA:
		names, after = 2, 20
	case dns.TypeMX, dns.TypeKX:
		at = 2
	case dns.TypeSRV:
		at = 6
	case dns.TypeSVCB, dns.TypeHTTPS:
		at, after = 2, -1
	default:
		return true
	}
	for range names {
		if at = pastName(data, at); at < 0 {
			return false
		}
	}
	return after < 0 || len(data) == at+after
}

// pastName returns the end of the uncompressed name at offset at of data; -1:
// there is none.
func pastName(data []byte, at int) int {
	for start := at; at < len(data) && at-start < maxName; at += int(data[at]) + 1 {
		if data[at] == 0 {
			return at + 1
		}
		if data[at] > maxLabel {
			break
		}
	}
	return -1
}

// readRR reads the one record in line.
func readRR(line []byte, origin string) (dns.RR, error) {
	zp := dns.NewZoneParser(bytes.NewReader(line), origin, "")
	rr, ok := zp.Next()
	if err := zp.Err(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("no data")
	}
	return rr, nil
}

// plain returns what a parser of miekg/dns complained of, without the place:
// it saw one line only.
func plain(err error) string {
	text := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(text, " at line: "); i >= 0 {
		text = text[:i]
	}
	return text
}

// parseIPv4 reads four decimal numbers with dots between them.
func parseIPv4(text []byte) (a [4]byte, ok bool) {
	n, digits, at := 0, 0, 0
	for _, c := range text {
		switch {
		case c == '.':
			if digits == 0 || at == 3 {
				return a, false
			}
			a[at] = byte(n)
			n, digits, at = 0, 0, at+1
		case c-'0' > 9 || digits > 0 && n == 0:
			return a, false
		default:
			n, digits = n*10+int(c-'0'), digits+1
			if n > 255 {
				return a, false
			}
		}
	}
	a[3] = byte(n)
	return a, digits > 0 && at == 3
}

// parseClass reads a class by name or as CLASSn (RFC 3597 §5).
func parseClass(word []byte) (class uint16, ok bool) {
	if len(word) == 2 && word[0]|0x20 == 'i' && word[1]|0x20 == 'n' {
		return dns.ClassINET, true
	}
	name := strings.ToUpper(string(word))
	if c, ok := dns.StringToClass[name]; ok {
		return c, name != "ANY" && name != "NONE"
	}
	return numbered(name, "CLASS")
}

// parseType reads a type by name or as TYPEn. Types that no zone can hold are
// none: those of questions and of single messages (RFC 6895 §3.1), and NULL.
func parseType(word []byte) (typ uint16, ok bool) {
	typ, ok = common(word)
	if ok {
		return typ, true
	}
	name := strings.ToUpper(string(word))
	if typ, ok = dns.StringToType[name]; !ok {
		typ, ok = numbered(name, "TYPE")
	}
	meta := typ == 0 || typ == dns.TypeOPT || typ == dns.TypeNULL || typ >= 128 && typ <= 255 || typ == dns.TypeReserved
	return typ, ok && !meta
}

// common knows the types that make up most zones, without allocating.
func common(word []byte) (typ uint16, ok bool) {
	switch string(word) {
	case "A":
		return dns.TypeA, true
	case "AAAA":
		return dns.TypeAAAA, true
	case "CNAME":
		return dns.TypeCNAME, true
	case "NS":
		return dns.TypeNS, true
	case "MX":
		return dns.TypeMX, true
	case "TXT":
		return dns.TypeTXT, true
	case "PTR":
		return dns.TypePTR, true
	}
	return 0, false
}

// numbered reads a number after a word, as TYPE65280.
func numbered(name, word string) (uint16, bool) {
	digits, ok := strings.CutPrefix(name, word)
	if !ok || len(digits) == 0 || digits[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), err == nil
}

// canonical returns data as it is compared: names in it are the same in any
// case (RFC 4343) where miekg/dns and we know that they are names.
func canonical(typ uint16, data []byte) []byte {
	skip := len(data)
	switch typ {
	case dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypePTR, dns.TypeMB, dns.TypeMG, dns.TypeMR:
		skip = 0
	case dns.TypeMX, dns.TypeKX, dns.TypeAFSDB, dns.TypeRT:
		skip = 2
	case dns.TypeSRV:
		skip = 6
	case dns.TypeSOA:
		skip = 0
	}
	skip = min(skip, len(data))
	if typ == dns.TypeSOA && len(data) > 20 {
		names := len(data) - 20
		return append(lower(nil, data[:names]), data[names:]...)
	}
	return append(append([]byte(nil), data[:skip]...), lower(nil, data[skip:])...)
}
