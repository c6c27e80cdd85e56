package zone

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/tools/txtar"

	"github.com/shunt-dns/shunt/config"
)

var update = flag.Bool("update", false, "write what is answered into testdata")

// TestConformance asks questions whose answers are known.
//
// The project's own are in testdata/answers. Each file holds zones, named by
// their origins; services (owner, TTL, then what each pool answers, as
// [weight*]pool=target or pool=address,address; "none" has no answer); and
// asks: a question after "?", perhaps with limit=octets, and the answer below
// it, a record a line after its section.
//
// SHUNT_CONFORMANCE names a file with more: zones with the answers that
// several servers gave, in the form of SCALE/Ferret, gzipped.
func TestConformance(t *testing.T) {
	files, err := filepath.Glob("testdata/answers/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { answersOf(t, file) })
	}
	if file := os.Getenv("SHUNT_CONFORMANCE"); file != "" {
		t.Run("recorded", func(t *testing.T) { recorded(t, file) })
	}
}

func answersOf(t *testing.T, file string) {
	arch, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var services []config.Service
	variants := map[string][]Variant{}
	for _, f := range arch.Files {
		if f.Name == "services" {
			services = servicesOf(t, string(f.Data), variants)
		}
	}
	var zones []*Zone
	for i, f := range arch.Files {
		switch f.Name {
		case "services":
		case "asks":
			snap := snapshotOf(NewSet(zones), variants)
			got := answerAll(t, snap, string(f.Data))
			if *update {
				arch.Files[i].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(arch), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(f.Data), got); diff != "" && !*update {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		default:
			zones = append(zones, parse(t, f.Name, string(f.Data), within(services, f.Name)...))
		}
	}
}

// parse compiles a zone from the text of its master file.
func parse(t testing.TB, origin, text string, services ...config.Service) *Zone {
	t.Helper()
	z, ps := Parse(config.Zone{Name: origin, File: "/zones/test.zone", Services: services}, "ns.test.",
		fstest.MapFS{"test.zone": {Data: []byte(text)}})
	if len(ps) > 0 {
		t.Fatalf("zone %s:\n%v\n%s", origin, ps, text)
	}
	return z
}

// within returns the services whose names end in a dot and origin.
func within(services []config.Service, origin string) (out []config.Service) {
	for _, s := range services {
		if dns.IsSubDomain(dns.Fqdn(origin), s.Name) {
			out = append(out, s)
		}
	}
	return out
}

// servicesOf reads a services file; the pools' answers go into variants, by
// the service's first pool, which makes each its own group.
func servicesOf(t *testing.T, text string, variants map[string][]Variant) (out []config.Service) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		ttl, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(line)
		}
		s := config.Service{Name: f[0], Policy: config.Weighted, TTL: time.Duration(ttl) * time.Second}
		for _, pool := range f[2:] {
			if pool == "none" {
				s.Pools = append(s.Pools, config.Choice{Pool: f[0]})
				continue
			}
			v := variantOf(t, pool, uint32(ttl))
			s.Alias = s.Alias || v.Target != ""
			s.Pools = append(s.Pools, config.Choice{Pool: v.Pool, Weight: int(v.Weight)})
			variants[s.Name] = append(variants[s.Name], v)
		}
		out = append(out, s)
	}
	return out
}

func variantOf(t *testing.T, text string, ttl uint32) Variant {
	v := Variant{TTL: ttl, Weight: 1}
	if w, rest, ok := strings.Cut(text, "*"); ok {
		n, err := strconv.Atoi(w)
		if err != nil {
			t.Fatal(text)
		}
		v.Weight, text = uint32(n), rest
	}
	var what string
	v.Pool, what, _ = strings.Cut(text, "=")
	if strings.HasSuffix(what, ".") {
		v.Target = what
		return v
	}
	for a := range strings.SplitSeq(what, ",") {
		v.Addrs = append(v.Addrs, netip.MustParseAddr(a))
	}
	return v
}

func snapshotOf(set *Set, variants map[string][]Variant) *Snapshot {
	var steered []*Steered
	for _, g := range set.Groups() {
		steered = append(steered, Pack(variants[g.Name]))
	}
	return set.Snapshot(1, steered, nil)
}

// answerAll returns the questions in text, each with its answer below it.
func answerAll(t *testing.T, snap *Snapshot, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line[0] == '#' || line == "\n" {
			b.WriteString(line)
		}
		if line[0] == '?' {
			b.WriteString(line)
			b.WriteString(answer(t, snap, strings.Fields(line)[1:]))
		}
	}
	return b.String()
}

// answer asks one question through Append, as the server does.
func answer(t *testing.T, snap *Snapshot, words []string) string {
	t.Helper()
	name, wrong := appendName(nil, []byte(words[0]), []byte{0})
	typ, ok := parseAnyType(words[1])
	if wrong != "" || !ok {
		t.Fatal(words)
	}
	limit := dns.MaxMsgSize
	if len(words) > 2 {
		limit, _ = strconv.Atoi(strings.TrimPrefix(words[2], "limit="))
	}
	msg := queryMessage(name, typ)
	msg, info := snap.Append(msg, Question{Name: lower(nil, name), Type: typ}, limit)
	if len(msg) > limit {
		t.Errorf("%v: %d octets", words, len(msg))
	}
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatalf("%v: %v\n%x", words, err, msg)
	}
	return say(m, info)
}

func parseAnyType(word string) (uint16, bool) {
	if word == "ANY" {
		return dns.TypeANY, true
	}
	return parseType([]byte(word))
}

// queryMessage returns a response's header and question, before its sections.
func queryMessage(name []byte, typ uint16) []byte {
	msg := []byte{0x12, 0x34, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	msg = append(msg, name...)
	return append(msg, byte(typ>>8), byte(typ), 0, 1)
}

// say writes a reply: rcode, flags, and a record a line.
func say(m *dns.Msg, info Info) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	if m.Authoritative {
		b.WriteString(" aa")
	}
	if m.Truncated {
		b.WriteString(" tc")
	}
	if info.Refused {
		b.WriteString(" refused")
	}
	if info.Group >= 0 {
		fmt.Fprintf(&b, " steered")
	}
	b.WriteString("\n")
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			fmt.Fprintf(&b, "%s %s\n", [...]string{"an", "ns", "ar"}[i], strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	return b.String()
}
