// Package config holds what an operator may write, as values that the rest of
// shunt can trust. Its values are a [Config] and the [Problem]s that kept a
// text from becoming one: Parse turns a file into exactly one of the two, and
// after it no string is parsed again.
//
// The package reads the files it is told to read and nothing else. It starts
// no goroutine, opens no socket, and never looks at the clock.
package config

import (
	"net/netip"
	"regexp"
	"time"
)

// A Config is one complete, checked configuration. It is immutable once
// parsed. Names of monitors, pools and zones are unique, and every reference
// between them resolves.
type Config struct {
	Node      Node
	Listen    Listen
	DNS       DNS
	Resolvers []netip.AddrPort // recursive servers that look up pool host names, asked in parallel
	Vantage   Vantage
	Safety    Safety
	Monitors  []Monitor // in file order
	Pools     []Pool    // in file order
	Policies  []Policy  // the presets, then those of the file in its order
	Places    Places
	Zones     []Zone  // in file order
	Drills    []Drill // practice runs, in file order
	Feeds     []Feed  // sources of words about pools, in file order

	Keys        []Key // in file order
	Transfer    Transfer
	Secondaries []Secondary // in file order
	Providers   []Provider  // in file order
	Taps        []Tap       // in file order
	Alerts      []Alert     // routes by which people hear of alarms, in file order
	Traces      Traces

	Path string // of the file this came from, absolute
}

// Node says who this process is and where it keeps its state.
type Node struct {
	Name     string // default: host name
	StateDir string // absolute; verdicts and overrides live here. Default /var/lib/shunt
	User     string // drop to this user after the sockets are open; "" keeps the one we have
	Log      Log
}

// Log says how serve writes its log.
type Log struct {
	Format string // text (default) or json
	Level  string // debug, info (default), warn, error
}

// Listen says where the process can be reached.
type Listen struct {
	DNS     []netip.AddrPort // UDP and TCP, each; default 0.0.0.0:53 and [::]:53
	DoT     []netip.AddrPort // DNS over TLS (RFC 7858, 9539); default none
	DoH     []netip.AddrPort // DNS over HTTPS (RFC 8484); default none
	DoHPath string           // of its URL, begins with /; default /dns-query
	TLS     Keypair          // for DoT, DoH and Web; its files are there where one of them needs it
	Control string           // path of the CLI's unix socket, mode 0660; default /run/shunt/shunt.sock
	Web     []netip.AddrPort // dashboard, API and metrics: HTTP on loopback, HTTPS elsewhere, where Tokens and TLS are set; default none
	Tokens  string           // file of those who may use Web, absolute; "": everybody on this machine may read
}

// A Keypair names the PEM files of a certificate, with its chain behind it, and
// of its key. Both are absolute, or both are "".
type Keypair struct{ Certificate, Key string }

// DNS tunes the server itself. The defaults suit a public authority.
type DNS struct {
	NSID       string // RFC 5001; default: the node's name; "" sends none
	UDPSize    int    // largest UDP answer in octets, 512–4096; default 1232
	Cookies    bool   // RFC 7873 and 9018; default true
	Secret     []byte // 16 octets that key the cookies; Load reads them from SecretFile; empty: random at each start
	SecretFile string // absolute; 16 octets, or 32 hexadecimal digits; "" when there is none
	TCP        TCP
	RateLimit  RateLimit
}

// TCP bounds what clients may hold over TCP, TLS and HTTPS together
// (RFC 7766 §6).
type TCP struct {
	Connections int           // at once, in all; 1–100000, default 1000
	PerClient   int           // at once from one IPv4 address or IPv6 /64; default 50
	Idle        time.Duration // a connection without a query is closed after this; default 10s
	Queries     int           // on one connection before it is closed; 0 is no limit; default 0
	MessageSize int           // largest query accepted, in octets; 512–65535, default 4096
}

// RateLimit is response-rate limiting: how many like UDP responses one client
// network may have each second before further ones are dropped or truncated.
type RateLimit struct {
	Responses  int            // a second per client network and kind of answer; 0 is off; default 200
	Slip       int            // every n-th limited response goes out truncated (TC), so that real clients retry over TCP; 0: never; default 2
	IPv4Prefix int            // size of a client network; default 24
	IPv6Prefix int            // default 56
	Exempt     []netip.Prefix // never limited; default 127.0.0.0/8 and ::1/128
}

// Vantage describes how the node tells that it is itself cut off.
type Vantage struct {
	Controls []Control // when all of them fail, the node is blind: votes are void and the state holds
}

// A Control is a well-known target, unrelated to any pool, that is up as long
// as this node can see the world.
type Control struct {
	Address netip.AddrPort // a TCP connection to it must open
}

// Safety bounds what may happen to the whole at once.
type Safety struct {
	AtLeast   int     // pools of a service that an override must leave up; default 1; 0 is off
	MaxRemove float64 // share of names or pools that one reload may remove without --force; default 0.25
	Rules     []Rule
}

// Kind is the protocol of a monitor.
type Kind string

// The kinds of monitor.
const (
	HTTPS Kind = "https"
	HTTP  Kind = "http"
	TCP_  Kind = "tcp"
	TLS   Kind = "tls"
	DNS_  Kind = "dns"
	ICMP  Kind = "icmp"
)

// A Monitor describes a check: what to ask, how often, and how many answers
// change a verdict. Exactly the fields of its Kind are set.
type Monitor struct {
	Name string
	Kind Kind

	HTTP HTTPCheck // Kind https, http
	TLS  TLSCheck  // Kind tls
	TCP  TCPCheck  // Kind tcp
	Ask  DNSCheck  // Kind dns

	Interval    time.Duration // between probes of one endpoint; 100ms–1h, default 5s; jittered by a tenth
	Timeout     time.Duration // of one probe, in all; default 3s; at most Interval+10s
	Recheck     time.Duration // spacing of the burst that follows a first failure; 0 is off; default 100ms
	Watch       bool          // leave the connection of a success open until the next probe, and probe at once when it ends; not of Kind dns and icmp
	Fall        int           // failures in a row that bring an endpoint down; 1–100, default 3
	Rise        int           // successes in a row that bring it up again; 1–100, default 5
	Window      int           // results that the sliding window holds; 0 is off; at most 64, default 10
	WindowFall  float64       // share of failures in the window that brings an endpoint down; 0–1, default 0.5
	HoldDown    time.Duration // least quiet after a fall, and twice as long as it failed where that is longer; default 5m; doubles on each repeat
	HoldDownMax time.Duration // where that ends; up for this long forgets the falls; default 1h
}

// An HTTPCheck is a GET as a user would send it, to one endpoint.
type HTTPCheck struct {
	Host            string        // SNI and Host: the customer's own name
	Port            uint16        // default 443 (https), 80 (http)
	Path            string        // begins with /; default /
	Method          string        // GET (default) or HEAD
	Status          []int         // accepted; default 200
	Body            Match         // must be found in the first 64 KiB; empty matches all
	Headers         []Header      // must be in the response, with this value where it is not empty
	RequestHeaders  []Header      // sent
	FollowRedirects bool          // default false: a redirect is a status like any other
	KeepAlive       bool          // reuse the connection between probes; default false
	Resume          time.Duration // how long TLS sessions are resumed before a full handshake shows the certificate again; 0 (default): never
	RootCAs         string        // PEM file of the authorities to trust; "" is the system's
	CertWarn        time.Duration // a certificate ending sooner raises an alarm; default 14 days
}

// A TLSCheck is a handshake with one endpoint.
type TLSCheck struct {
	Host     string        // SNI, and the name the certificate must cover
	Port     uint16        // default 443
	RootCAs  string        // as in HTTPCheck
	CertWarn time.Duration // as in HTTPCheck
}

// A TCPCheck is a connection to one endpoint.
type TCPCheck struct {
	Port   uint16
	Send   string // written after connecting; may be empty
	Expect Match  // must be found in what comes back (first 64 KiB); empty does not read
}

// A DNSCheck is one question to one endpoint.
type DNSCheck struct {
	Name   string // lower case, fully qualified
	Type   uint16 // default A
	Port   uint16 // default 53
	Expect string // text of a record's data that must be among the answers; "" wants any answer
}

// A Match is a condition on text: a substring, or a regular expression where
// the operator wrote it between slashes.
type Match struct {
	Text   string
	Regexp *regexp.Regexp // nil: Text is a substring
}

// A Header is one HTTP field.
type Header struct{ Name, Value string }

// A Pool is one path to the site: a CDN or an origin. It has either a host
// name or addresses, never both.
type Pool struct {
	Name      string
	Operator  string       // the company that runs it: the failure domain. Default: the pool's name
	CNAME     string       // host name of a CDN, lower case and fully qualified; "" for an address pool
	Addresses []netip.Addr // of an address pool
	Monitors  []string     // all must agree that an endpoint is up; none: the pool is always up
	UpIf      int          // endpoints that must be up; default 1; 0 means all ("all")
	Failback  Failback     // how it comes back after a fall
	Origin    string       // pool this CDN fetches from: while that fails too, and no other CDN passes the check, 5xx through this one move nothing

	Jurisdictions []string // whose law it is under, in the operator's own words, such as EU; for fences
	MaxShare      float64  // of a service's answers that it can carry; above 0, at most 1, the default
	At            Point    // where it is, for nearest
	HTTPS         Binding  // what it says in HTTPS records
}

// A Service is an owner name whose answers are steered.
type Service struct {
	Name    string        // owner, fully qualified, lower case
	Policy  string        // a preset or the name of a policy
	Pools   []Choice      // in order of preference, at least one
	TTL     time.Duration // default 30s; 1s–1 day, whole seconds
	TTLMin  time.Duration // the floor while something is in doubt; default half of TTL
	Flatten bool          // serve the addresses of a pool's host name; always true at an apex
	Ramp    *Ramp         // how traffic moves to a pool; nil: at once
	Moves   int           // answers may move so often in an hour; then they stay where it is steady. 0: no limit; default 6
	Alias   bool          // derived: some pool's host name is answered as a CNAME, beside which no other record may stand
	Apart   string        // never written in a file: services that differ in it are decided on apart
}

// A Choice is one candidate of a service: a pool, or another policy over its
// own pools. Exactly one of Pool and Policy is set.
type Choice struct {
	Pool       string
	Policy     string // a policy with Pools, which stands here like one pool
	Weight     int    // 0–1,000,000; 0: only when nothing else is up. Default 1
	LastResort bool   // takes what no other one has room for, and answers when no other is up
}

// A Zone is one zone we are authoritative for.
type Zone struct {
	Name     string    // origin, fully qualified, lower case; "." is the root
	File     string    // master file, absolute; "" when the zone has services only
	NS       []string  // name servers of a zone without a file, fully qualified; default: the node's name
	Services []Service // in file order
	Max      int       // records the zone may have; default 2,000,000
}

// Service returns the service named name (fully qualified, lower case).
func (z *Zone) Service(name string) (Service, bool) {
	for _, s := range z.Services {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}
