package config

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// binding reads what a pool says in HTTPS records.
func (r *reader) binding(p path, raw *rawBinding, pool *Pool, dir string) (b Binding, ech string) {
	b = Binding{
		On:    true,
		ALPN:  r.alpn(p.sub("alpn"), raw.ALPN),
		Hints: r.yes(p.sub("hints"), raw.Hints, true),
		Alias: r.yes(p.sub("alias"), raw.Alias, false),
	}
	if raw.Port.set() {
		b.Port = r.port(p.sub("port"), raw.Port, 0)
	}
	ech = r.filePath(p.sub("ech_file"), raw.ECHFile, dir)
	if b.Alias && pool.CNAME == "" {
		r.problem(p.sub("alias"), raw.Alias, "an alias needs a host name to lead to, and the pool has addresses", "remove alias, or write cname: instead of addresses")
	}
	return b, ech
}

// alpn reads protocol names (RFC 7301 §6) that need no escaping in a record.
func (r *reader) alpn(p path, list []scalar) []string {
	const most = 8
	var out []string
	for i, s := range list {
		odd := strings.ContainsFunc(s.text, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`,"\`, c) })
		switch {
		case !s.set():
		case s.text == "" || len(s.text) > 255 || odd:
			r.problem(p.item(i), s, fmt.Sprintf("%q is not the name of a protocol", clip(s.text)), "write h3, h2 or http/1.1")
		case slices.Contains(out, s.text):
			r.problem(p.item(i), s, clip(s.text)+" stands here twice", "keep one of them")
		case len(out) == most:
			r.problem(p.item(i), s, fmt.Sprintf("%d protocols are too many", len(list)), fmt.Sprintf("at most %d are allowed", most))
			return out
		default:
			out = append(out, s.text)
		}
	}
	return out
}

// An echFile is the file that a pool has its ECHConfigList in.
type echFile struct {
	scalar
	full string // absolute; "" when there is none
}

// echFiles reads the ECHConfigLists that pools name.
func (r *reader) echFiles(cfg *Config) {
	for i := range min(len(r.ech), len(cfg.Pools)) {
		file := r.ech[i]
		if file.full == "" {
			continue
		}
		ech, err := readECH(file.full)
		if err != nil {
			r.problem(top("pools").item(i).sub("https").sub("ech_file"), file.scalar, err.Error(), "write an ECHConfigList as it is, in base64 or as PEM")
			continue
		}
		cfg.Pools[i].HTTPS.ECH = ech
	}
}

// readECH reads an ECHConfigList (RFC 9849 §4): as it is, in base64 as in the
// presentation form of a record, or between lines of PEM.
func readECH(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4*MaxValue))
	if err != nil {
		return nil, err
	}
	if err := checkECH(text); err == nil {
		return text, nil
	}
	if _, pem, ok := bytes.Cut(text, []byte("-----BEGIN ECHCONFIG-----")); ok {
		text, _, _ = bytes.Cut(pem, []byte("-----END"))
	}
	list, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err == nil {
		err = checkECH(list)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no ECHConfigList", file)
	}
	return list, nil
}

// checkECH checks the lengths of an ECHConfigList and of the configurations in
// it.
func checkECH(list []byte) error {
	bad := errors.New("not an ECHConfigList")
	if len(list) < 2+4 || len(list) > MaxValue || int(binary.BigEndian.Uint16(list)) != len(list)-2 {
		return bad
	}
	for rest := list[2:]; len(rest) > 0; {
		if len(rest) < 4 {
			return bad
		}
		n := 4 + int(binary.BigEndian.Uint16(rest[2:]))
		if n > len(rest) {
			return bad
		}
		rest = rest[n:]
	}
	return nil
}
