// Places fetches the databases of places that tests read: of countries (RIRs
// and routing tables, PDDL) and of AS numbers (RouteViews and DB-IP, CC BY 4.0).
// They are packages of the npm registry, pinned here by version and checksum. The
// one of AS numbers is there as CSV (first address, last address, number, name),
// and is made a database in MaxMind's format. The repository contains none of
// them: they lie in the folder that the command line names.
//
//	places FOLDER
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

const (
	version    = "2.3.2026061719"
	countrySum = "58129284b6beca9f3ad68cae72f941488bb03060d9a51590824890899bf9f773"
	asnSum     = "b9425daf2f011c28f8586685d4f89166e77627e2c15fd93c6262c3e2dead6153"

	// built is when the data is from, so that the result is always the same.
	built = 1_781_654_400 // 2026-06-17

	maxPackage = 256 << 20 // octets
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: places FOLDER")
		os.Exit(2)
	}
	if err := install(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "places:", err)
		os.Exit(1)
	}
}

// install puts both databases into dir, unless they are there.
func install(dir string) error {
	mark, stamp := filepath.Join(dir, "stamp"), strings.Join([]string{version, countrySum, asnSum}, " ")+"\n"
	if was, err := os.ReadFile(mark); err == nil && string(was) == stamp {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	country, err := fetch("iptoasn-country-mmdb", countrySum)
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, "country.mmdb"), country["package/iptoasn-country.mmdb"]); err != nil {
		return err
	}
	asn, err := fetch("asn", asnSum)
	if err != nil {
		return err
	}
	text, err := numbers(asn["package/asn-ipv4.csv"], asn["package/asn-ipv6.csv"])
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, "asn.mmdb"), text); err != nil {
		return err
	}
	return replace(mark, []byte(stamp))
}

// replace writes a file in one step, so that who runs at the same time sees a
// whole one.
func replace(path string, text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("%s: the package does not have it", filepath.Base(path))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once renamed
	_, err = f.Write(text)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// fetch returns the files of a package by their names.
func fetch(name, sum string) (map[string][]byte, error) {
	url := "https://registry.npmjs.org/@ip-location-db/" + name + "/-/" + name + "-" + version + ".tgz"
	client := http.Client{Timeout: 5 * time.Minute}
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	pack, err := io.ReadAll(io.LimitReader(resp.Body, maxPackage))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if got := sha256.Sum256(pack); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("%s is not what it was: its checksum differs", url)
	}
	return unpack(pack)
}

// unpack returns the files of a gzipped tar archive.
func unpack(pack []byte) (map[string][]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(pack))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for t := tar.NewReader(z); ; {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if files[head.Name], err = io.ReadAll(t); err != nil {
			return nil, err
		}
	}
}

// numbers makes the database of AS numbers from CSV files.
func numbers(files ...[]byte) ([]byte, error) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "ASN", BuildEpoch: built, RecordSize: 24, IncludeReservedNetworks: true, KeyGenerator: numberKey{},
		Description: map[string]string{"en": "AS numbers by network"},
	})
	if err != nil {
		return nil, err
	}
	for _, text := range files {
		if err := insert(tree, text); err != nil {
			return nil, fmt.Errorf("AS numbers: %w", err)
		}
	}
	var b bytes.Buffer
	_, err = tree.WriteTo(&b)
	return b.Bytes(), err
}

// insert reads one file into tree. What lies where the format repeats the IPv4
// addresses is left out.
func insert(tree *mmdbwriter.Tree, text []byte) error {
	rows := csv.NewReader(bytes.NewReader(text))
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(row[2], 10, 32)
		if err != nil {
			return err
		}
		err = tree.InsertRange(net.ParseIP(row[0]), net.ParseIP(row[1]), mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n)})
		var aliased *mmdbwriter.AliasedNetworkError
		if err != nil && !errors.As(err, &aliased) {
			return fmt.Errorf("%s–%s: %w", row[0], row[1], err)
		}
	}
}

// A numberKey tells records apart by their number, which is all that they have.
type numberKey struct{}

// Key implements mmdbwriter.KeyGenerator.
func (numberKey) Key(v mmdbtype.DataType) ([]byte, error) {
	m, _ := v.(mmdbtype.Map)
	n, _ := m["autonomous_system_number"].(mmdbtype.Uint32)
	return fmt.Appendf(nil, "%d", n), nil
}
