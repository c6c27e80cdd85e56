// Package place knows where clients are. Its values are an [Atlas] (the
// databases and the operator's own networks, opened) and a [Map] (every
// address's client class, compiled for one policy).
//
// Databases are read through memory maps, when an atlas is opened and when a
// map is compiled; a look-up in a Map touches no file. The package starts no
// goroutine, never asks the network, never looks at the clock, and never
// changes a database.
package place

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// An Atlas is what is known of where clients are: databases in MaxMind's
// format, and own networks, which count before them. Its methods may be called
// from any goroutine at once. The memory maps end when it is no longer used.
type Atlas struct {
	books []*book
	own   []config.Located // longest network first

	mu   sync.Mutex // guards all below
	grid weak.Pointer[grid]
}

// A Database is one database as it was opened, for people.
type Database struct {
	Path  string
	Type  string    // as its maker calls it
	Built time.Time // when its maker made it
}

// A book is one open database.
type book struct {
	Database
	db      *maxminddb.Reader
	version uint           // 4, or 6 for both
	file    fs.FileInfo    // as it was when it was opened
	aliased []netip.Prefix // where it repeats the IPv4 addresses
}

// Open opens every database of p and reads it from end to end: all that will
// be looked for in it can be found. A database must also say when it was made,
// and of some network where that is. The error names the file and what is
// wrong with it.
func Open(p config.Places) (*Atlas, error) {
	a := &Atlas{own: slices.Clone(p.Networks)}
	slices.SortStableFunc(a.own, func(x, y config.Located) int { return y.Network.Bits() - x.Network.Bits() })
	for _, path := range p.Databases {
		b, err := open(path)
		if err != nil {
			return nil, fmt.Errorf("places database %s: %w", path, err)
		}
		a.books = append(a.books, b)
	}
	if _, err := a.survey(); err != nil {
		return nil, err
	}
	return a, nil
}

// open opens one database. It ends when it is no longer used.
func open(path string) (*book, error) {
	b := &book{Database: Database{Path: path}}
	var err error
	if b.file, err = os.Stat(path); err != nil { // before it is opened, so that a later change is seen
		return nil, errors.Unwrap(err)
	}
	b.db, err = maxminddb.Open(path)
	var invalid maxminddb.InvalidDatabaseError
	switch {
	case b.file.Size() == 0 || errors.As(err, &invalid):
		return nil, errors.New("this is no database in MaxMind's format, or not all of one")
	case err != nil:
		return nil, err
	}
	meta := b.db.Metadata
	b.Type, b.Built, b.version = meta.DatabaseType, meta.BuildTime(), meta.IPVersion
	switch {
	case b.version != 4 && b.version != 6:
		return nil, fmt.Errorf("it is for IP version %d, not 4 or 6", b.version)
	case meta.BuildEpoch == 0:
		return nil, errors.New("it does not say when it was made")
	}
	return b, unfaulted(b.findAliases)
}

// Where a database may repeat the IPv4 addresses within the IPv6 ones: for
// Teredo (RFC 4380) and 6to4 (RFC 3056).
var repeats = [...]netip.Prefix{
	netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01}), 32),
	netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x02}), 16),
}

// findAliases notes where b repeats the IPv4 addresses. Those places are left
// out of a Map, so Locate has to know them.
func (b *book) findAliases() error {
	if b.version == 4 {
		return nil
	}
	for _, p := range repeats {
		own := false
		for r := range b.db.NetworksWithin(p, maxminddb.IncludeNetworksWithoutData()) { // without them, a loop in a damaged tree may have no end
			own = r.Err() == nil
			break
		}
		if !own {
			b.aliased = append(b.aliased, p)
		}
	}
	return nil
}

// Databases returns what was opened, in the order of the configuration.
func (a *Atlas) Databases() []Database {
	out := make([]Database, len(a.books))
	for i, b := range a.books {
		out[i] = b.Database
	}
	return out
}

// Changed reports whether a database was replaced or touched since Open: by
// its time, size and identity. A file that is not there now counts as
// unchanged, as it is on its way.
func (a *Atlas) Changed() bool {
	return slices.ContainsFunc(a.books, func(b *book) bool {
		now, err := os.Stat(b.Path)
		return err == nil && (!os.SameFile(now, b.file) || now.Size() != b.file.Size() || !now.ModTime().Equal(b.file.ModTime()))
	})
}

// Locate returns where a client is, for people; a Map is for queries. What is
// not known is left out, and so is all of a database that fails meanwhile.
func (a *Atlas) Locate(addr netip.Addr) steer.Place {
	addr = addr.Unmap().WithZone("")
	var p steer.Place
	for _, l := range a.own {
		if l.Network.Contains(addr) {
			p = lay(p, located(l))
			break
		}
	}
	for _, b := range a.books {
		if q, err := b.locate(addr); err == nil {
			p = lay(p, q)
		}
	}
	p.Addr = addr
	return p
}

func (b *book) locate(addr netip.Addr) (p steer.Place, err error) {
	hidden := func(n netip.Prefix) bool { return n.Contains(addr) }
	if !addr.IsValid() || addr.Is6() && (b.version == 4 || embedded.Contains(addr) || slices.ContainsFunc(b.aliased, hidden)) {
		return p, nil
	}
	err = unfaulted(func() error {
		p, err = b.decode(b.db.Lookup(addr))
		return err
	})
	return p, err
}

// located returns what the operator says of a network.
func located(l config.Located) steer.Place {
	return steer.Place{Continent: l.Continent, Country: l.Country, Subdivision: l.Subdivision, ASN: l.ASN, At: l.At}
}

// lay returns p with what it does not say taken from q.
//
//	p and q                                 taken from q where p has none
//	name different countries or continents  the ASN
//	else                                    everything
func lay(p, q steer.Place) steer.Place {
	if p.ASN == 0 {
		p.ASN = q.ASN
	}
	if differ(country(p), country(q)) || differ(continent(p), continent(q)) || differ(p.Subdivision, q.Subdivision) {
		return p
	}
	p.Continent = or(p.Continent, q.Continent)
	p.Country = or(p.Country, q.Country)
	p.Subdivision = or(p.Subdivision, q.Subdivision)
	if !p.At.Known {
		p.At = q.At
	}
	return p
}

// country returns p's country, from its subdivision where only that is said.
func country(p steer.Place) string {
	if p.Country == "" && len(p.Subdivision) > 2 {
		return p.Subdivision[:2]
	}
	return p.Country
}

// continent returns p's continent, from its country where only that is said.
func continent(p steer.Place) string { return or(p.Continent, config.ContinentOf(country(p))) }

func differ(a, b string) bool { return a != "" && b != "" && a != b }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// unfaulted calls f, which reads mapped files. A file that is cut short while
// it is mapped, as by copying over it, faults when it is read (SIGBUS); here
// that is an error like any other, and not the end of the process.
func unfaulted(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a memory fault, as runtime/debug has it
			err = errors.New("it was cut short while it was read; replace it by renaming another file over it")
		default:
			panic(r)
		}
	}()
	return f()
}
