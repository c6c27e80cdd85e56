package config

import (
	"net/netip"
	"time"
)

// A Key is a TSIG key (RFC 8945).
type Key struct {
	Name       string // fully qualified, lower case
	Algorithm  string // hmac-sha256 (default), hmac-sha384 or hmac-sha512
	Secret     Secret // the octets that key the HMAC; Load reads them from SecretFile
	SecretFile string // absolute; base64, as tsig-keygen prints it
}

// Transfer says how zones go out to secondaries.
type Transfer struct {
	Serial  SerialKind     // how serials rise; default unixtime
	Content Content        // of steered names; default one
	Allow   []netip.Prefix // who may transfer every zone without a key; default nobody
	Catalog string         // origin of the catalog zone (RFC 9432), fully qualified; "": there is none
	Behind  time.Duration  // a secondary that serves an older serial for longer raises an alarm; 1s–1 day, default 1m
	Journal int            // changes a zone that IXFR can go back; 0 is off; 0–10,000, default 100
}

// Transfers reports whether anybody may transfer anything: then zones have
// serials of their own.
func (c *Config) Transfers() bool { return len(c.Secondaries) > 0 || len(c.Transfer.Allow) > 0 }

// A SerialKind says what the serial of a changed zone is. Both kinds rise by
// RFC 1982 with each change of content and only then, and begin no lower than
// the serial of the zone file.
type SerialKind string

// The kinds of serial.
const (
	UnixTime SerialKind = "unixtime" // seconds since 1970, or the one after the last where that is higher
	Counter  SerialKind = "counter"  // the one after the last
)

// Content says which pools stand behind a steered name where one answer must do
// for all clients: in transfers and at providers.
type Content string

// The contents.
const (
	OnePool  Content = "one" // the pool with the largest share of a client whose place is unknown; the first of equals
	AllPools Content = "all" // the addresses of every pool that answers somebody; CNAMEs as under one
)

// A Secondary is a name server that takes zones from us.
type Secondary struct {
	Name    string
	Address netip.AddrPort // where NOTIFY goes, and SOA questions unless Serves is valid; default port 53
	Key     string         // name of the Key that signs both ways; "": requests from Address need none
	Zones   []string       // origins it may take, fully qualified; empty: all, and the catalog
	Notify  bool           // send NOTIFY (RFC 1996); default true
	Serves  netip.AddrPort // where it answers clients: asked for its serial in place of Address, without a key; not valid: Address is asked
}
