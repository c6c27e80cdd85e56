// Places makes a database of AS numbers in MaxMind's format, for tests, from
// the CSV files of ip-location-db: first address, last address, number, name.
//
//	places OUT.mmdb IN.csv…
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// built is when the data is from, so that the result is always the same.
const built = 1_781_654_400 // 2026-06-17

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: places OUT.mmdb IN.csv…")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "places:", err)
		os.Exit(1)
	}
}

func run(out string, in []string) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "ASN", BuildEpoch: built, RecordSize: 24, IncludeReservedNetworks: true, KeyGenerator: numberKey{},
		Description: map[string]string{"en": "AS numbers by network"},
	})
	if err != nil {
		return err
	}
	for _, file := range in {
		if err := insert(tree, file); err != nil {
			return err
		}
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if _, err := tree.WriteTo(f); err != nil {
		return err
	}
	return f.Close()
}

// insert reads one file into tree. What lies where the format repeats the IPv4
// addresses is left out.
func insert(tree *mmdbwriter.Tree, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		n, err := strconv.ParseUint(row[2], 10, 32)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		err = tree.InsertRange(net.ParseIP(row[0]), net.ParseIP(row[1]), mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n)})
		var aliased *mmdbwriter.AliasedNetworkError
		if err != nil && !errors.As(err, &aliased) {
			return fmt.Errorf("%s: %s–%s: %w", file, row[0], row[1], err)
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
