// Package placetest makes small databases of places from lines of text, so
// that the repository needs none of anybody's.
//
// It is imported by tests only, and never by the program.
package placetest

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Write writes the database that text describes to the file at path and
// returns path. See Bytes.
func Write(t testing.TB, path, text string) string {
	t.Helper()
	// As the makers' tools do it: a reader of the old file keeps it.
	fresh := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	if err := os.WriteFile(fresh, Bytes(t, text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Bytes returns the database that text describes, a network a line:
//
//	192.0.2.0/24 continent=EU country=DE sub=BE asn=64500 at=52.5,13.4
//	192.0.2.0/24 asn=AS64500
//
// Further keys become fields of the record with a text in them, as
// country_code=DE. Later lines replace earlier ones where they overlap. A line
// without a network sets options of the whole:
//
//	type=Test version=4 epoch=1
//
// Without an epoch it is as old as the test.
func Bytes(t testing.TB, text string) []byte {
	t.Helper()
	opts := mmdbwriter.Options{DatabaseType: "Test", BuildEpoch: time.Now().Unix(), IncludeReservedNetworks: true}
	var lines [][]string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case strings.Contains(words[0], "="):
			options(t, &opts, words)
		default:
			lines = append(lines, words)
		}
	}
	tree, err := mmdbwriter.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range lines {
		p, err := netip.ParsePrefix(words[0])
		if err != nil {
			t.Fatal(err)
		}
		network := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		if err := tree.Insert(network, record(t, words[1:])); err != nil {
			t.Fatalf("%s: %v", words, err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func options(t testing.TB, opts *mmdbwriter.Options, words []string) {
	t.Helper()
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "type":
			opts.DatabaseType = value
		case "version":
			opts.IPVersion = n
		case "epoch":
			opts.BuildEpoch = int64(n)
		default:
			t.Fatalf("no option %s", w)
		}
	}
}

// record returns the record that words describe, in MaxMind's form.
func record(t testing.TB, words []string) mmdbtype.Map {
	t.Helper()
	m := mmdbtype.Map{}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		text := mmdbtype.String(value)
		switch key {
		case "continent":
			m["continent"] = mmdbtype.Map{"code": text, "names": mmdbtype.Map{"en": mmdbtype.String("a continent")}}
		case "country":
			m["country"] = mmdbtype.Map{"geoname_id": mmdbtype.Uint32(7), "iso_code": text}
		case "sub":
			m["subdivisions"] = mmdbtype.Slice{mmdbtype.Map{"iso_code": text}, mmdbtype.Map{"iso_code": mmdbtype.String("X")}}
		case "asn":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil { // as other makers have it
				m["asn"] = text
				break
			}
			m["autonomous_system_number"] = mmdbtype.Uint32(n)
		case "at":
			lat, lon, _ := strings.Cut(value, ",")
			x, errX := strconv.ParseFloat(lat, 64)
			y, errY := strconv.ParseFloat(lon, 64)
			if errX != nil || errY != nil {
				t.Fatalf("%s is no place", w)
			}
			m["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(x), "longitude": mmdbtype.Float64(y)}
		default:
			m[mmdbtype.String(key)] = text
		}
	}
	return m
}
