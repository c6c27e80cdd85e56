package config

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// minKey is how many octets a TSIG key has at least: what guessing cannot find.
const minKey = 16

type rawKey struct {
	Line int32

	Name      scalar `key:"name"`
	Algorithm scalar `key:"algorithm"`
	Secret    scalar `key:"secret_file"`
}

type rawSecondary struct {
	Line int32

	Name    scalar   `key:"name"`
	Address scalar   `key:"address"`
	Key     scalar   `key:"key"`
	Zones   []scalar `key:"zones"`
	Notify  scalar   `key:"notify"`
	Serves  scalar   `key:"serves"`
}

// transfer reads how zones go out.
func (r *reader) transfer(raw *rawSettings) Transfer {
	var t Transfer
	p, s := r.one("transfer.serial", raw.Transfer.Serial)
	t.Serial = SerialKind(r.word(p, s, string(UnixTime), string(Counter)))
	p, s = r.one("transfer.content", raw.Transfer.Content)
	t.Content = Content(r.word(p, s, string(OnePool), string(AllPools)))
	p, list, _ := r.some("transfer.allow", raw.Transfer.Allow)
	for i, s := range list {
		if net, ok := r.prefix(p.item(i), s); ok {
			t.Allow = append(t.Allow, net)
		}
	}
	if p, s = r.one("transfer.catalog", raw.Transfer.Catalog); s.text != "" {
		if t.Catalog = r.zoneName(p, s); t.Catalog == "." {
			r.problem(p, s, "the root cannot be a catalog", "write a name that nobody else uses, as in catalog.invalid")
			t.Catalog = ""
		}
	}
	p, s = r.one("transfer.behind", raw.Transfer.Behind)
	t.Behind = r.span(p, s, time.Minute, time.Second, day)
	p, s = r.one("transfer.journal", raw.Transfer.Journal)
	t.Journal = r.count(p, s, 100, 0, MaxJournal)
	return t
}

// keys makes the TSIG keys. Their secrets are read later, by keySecrets.
func (r *reader) keys(list []rawKey, dir string) ([]Key, map[string]place) {
	var out []Key
	seen := map[string]place{}
	for i := range list {
		p, raw := top("keys").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		k := Key{
			Name:       r.name(p.sub("name"), raw.Name),
			Algorithm:  r.word(p.sub("algorithm"), raw.Algorithm, "hmac-sha256", "hmac-sha384", "hmac-sha512"),
			SecretFile: r.filePath(p.sub("secret_file"), raw.Secret, dir),
		}
		if raw.Name.missing() {
			r.problem(p, at(raw.Line), "the key has no name", "write name: NAME, which is the same at the other end")
		}
		if raw.Secret.missing() || raw.Secret.set() && raw.Secret.text == "" {
			r.problem(p, at(raw.Line), "the key has no secret", "write secret_file: FILE, and the secret into it in base64, as openssl rand -base64 32 prints one")
			k.SecretFile = ""
		}
		r.named(p, raw.Name, seen, k.Name, len(out))
		r.keyFiles = append(r.keyFiles, keyFile{p.sub("secret_file"), raw.Secret})
		out = append(out, k)
	}
	return out, seen
}

// A keyFile is where the file of a key's secret is named.
type keyFile struct {
	p path
	s scalar
}

// keySecrets reads the secrets of keys.
func (r *reader) keySecrets(keys []Key) {
	for i := range min(len(keys), len(r.keyFiles)) {
		if keys[i].SecretFile == "" {
			continue
		}
		secret, what := readKey(keys[i].SecretFile)
		if what != "" {
			r.problem(r.keyFiles[i].p, r.keyFiles[i].s, what, fmt.Sprintf("write at least %d random octets to it in base64: openssl rand -base64 32", minKey))
		}
		keys[i].Secret = NewSecret(secret)
	}
}

// readKey reads the secret of a key, or says what is wrong with it. What the
// file holds is not told.
func readKey(file string) (secret, what string) {
	const most = 4096 // octets of the file
	f, err := os.Open(file)
	if err != nil {
		return "", err.Error()
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err.Error()
	}
	octets, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	switch {
	case len(text) > most:
		return "", file + " is too long for a key"
	case err != nil:
		return "", file + " is not base64"
	case len(octets) < minKey:
		return "", fmt.Sprintf("the key in %s has %d octets, which others could guess", file, len(octets))
	}
	return string(octets), ""
}

// secondaries makes the name servers that take zones from us, and looks at the
// catalog that they may take.
func (r *reader) secondaries(cfg *Config, list []rawSecondary, keys map[string]place) []Secondary {
	zones := map[string]place{}
	for _, z := range cfg.Zones {
		zones[z.Name] = place{}
	}
	r.catalog(cfg.Transfer.Catalog, zones)
	if cfg.Transfer.Catalog != "" {
		zones[cfg.Transfer.Catalog] = place{}
	}
	var out []Secondary
	seen, addresses := map[string]place{}, map[netip.AddrPort]int32{}
	for i := range list {
		p, raw := top("secondaries").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		s := Secondary{
			Name:   r.label(p.sub("name"), raw.Name, ""),
			Notify: r.yes(p.sub("notify"), raw.Notify, true),
			Zones:  r.origins(p.sub("zones"), raw.Zones, zones),
		}
		if raw.Name.missing() {
			r.problem(p, at(raw.Line), "the secondary has no name", "write name: NAME, by which status calls it")
		}
		if name := r.name(p.sub("key"), raw.Key); name != "" && r.refers(p.sub("key"), scalar{text: name, line: raw.Key.line}, "key", keys) {
			s.Key = name
		}
		r.secondaryAddress(p, raw, &s, addresses)
		r.named(p, raw.Name, seen, s.Name, len(out))
		out = append(out, s)
	}
	return out
}

// secondaryAddress reads where a secondary is, which is where no other is.
func (r *reader) secondaryAddress(p path, raw *rawSecondary, s *Secondary, others map[netip.AddrPort]int32) {
	if raw.Address.missing() || raw.Address.set() && raw.Address.text == "" {
		r.problem(p, at(raw.Line), "the secondary has no address", "write address: 192.0.2.53")
	}
	s.Serves, _ = r.server(p.sub("serves"), raw.Serves)
	addr, ok := r.server(p.sub("address"), raw.Address)
	first, twice := others[addr]
	switch {
	case !ok:
	case twice:
		r.problem(p.sub("address"), raw.Address, fmt.Sprintf("the secondary in line %d has this address already", first), "write it once, with all of its zones")
	default:
		s.Address, others[addr] = addr, raw.Address.line
	}
}

// server reads the address of a name server; port 53 if left out.
func (r *reader) server(p path, s scalar) (addr netip.AddrPort, ok bool) {
	if !s.set() || s.text == "" {
		return addr, false
	}
	addr, err := netip.ParseAddrPort(s.text)
	if alone, err2 := netip.ParseAddr(strings.Trim(s.text, "[]")); err != nil && err2 == nil {
		addr, err = netip.AddrPortFrom(alone, 53), nil
	}
	if err != nil || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
		r.problem(p, s, fmt.Sprintf("%q is not the address of a server", clip(s.text)), `write 192.0.2.53, "192.0.2.53:5353" or "[2001:db8::53]:53"`)
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), true
}

// origins reads a list of zones of ours.
func (r *reader) origins(p path, list []scalar, zones map[string]place) []string {
	var out []string
	for i, s := range list {
		q := p.item(i)
		name := r.zoneName(q, s)
		switch {
		case name == "":
		case slices.Contains(out, name):
			r.problem(q, s, name+" stands here twice", "keep one of them")
		case r.refers(q, scalar{text: name, line: s.line}, "zone", zones):
			out = append(out, name)
		}
	}
	return out
}

// catalog reports an origin of the catalog that lies in a zone: its names would
// be that zone's.
func (r *reader) catalog(origin string, zones map[string]place) {
	if origin == "" {
		return
	}
	p, s := r.one("transfer.catalog", origin)
	for name := origin; ; {
		if _, ours := zones[name]; ours {
			what := origin + " lies in the zone " + name
			if name == origin {
				what = origin + " is a zone of its own"
			}
			r.problem(p, s, what, "write a name that nobody else uses, as in catalog.invalid")
			return
		}
		_, rest, ok := cutLabel(name)
		if !ok {
			return
		}
		name = rest
	}
}

// cutLabel parts the canonical name into its first label and what follows; ok
// is false for the root.
func cutLabel(name string) (label, rest string, ok bool) {
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '\\':
			i++
		case name[i] == '.' && i == len(name)-1:
			if i == 0 {
				return "", "", false
			}
			return name[:i], ".", true
		case name[i] == '.':
			return name[:i], name[i+1:], true
		}
	}
	return "", "", false
}
