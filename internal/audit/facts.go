package audit

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/shunt-dns/shunt/health"
)

// Facts are what is known beside the configuration. All names are lower case
// and fully qualified. A map without an entry says nothing.
type Facts struct {
	Zones       map[string]Zone       // what master files say, by zone
	Hosts       map[string]Host       // host names of pools and of routes of alerts, from live DNS
	Delegations map[string]Delegation // zones, from live DNS
	Handshakes  []Handshake
	StateFS     string    // file system of node.state_dir, as tmpfs; "" where it is not known
	Missing     []Missing // what was asked for and not found
}

// A Missing is a fact that could not be had.
type Missing struct{ Subject, Why string }

// A Zone is what a master file says of failing over.
type Zone struct {
	Negative time.Duration // how long resolvers keep a negative answer: the lesser of the SOA's TTL and its minimum (RFC 2308 §5)
	NS       []string
	Aliases  []Alias
}

// An Alias is a static CNAME.
type Alias struct {
	Owner, Target string
	TTL           time.Duration
}

// A Host is what a host name hangs on.
type Host struct {
	Chain []string     // the name, and where its CNAMEs lead
	Cuts  []Cut        // the zones that hold them, each once
	Addrs []netip.Addr // at its end
}

// A Cut is a zone with its name servers.
type Cut struct {
	Zone string
	NS   []string // sorted
}

// A Delegation is a zone of ours as the world sees it.
type Delegation struct {
	NS    []string                // sorted
	Addrs map[string][]netip.Addr // of those whose addresses could be looked up
}

// A Handshake is one with an endpoint of a pool, for the name of a service.
type Handshake struct {
	Service string // the service; Name is what it stands for where that is a wildcard
	Name    string // asked for as SNI, and to be covered, without a dot at its end
	Pool    string
	Addr    netip.AddrPort
	Result  health.Result
	At      time.Time     // when it was made
	Warn    time.Duration // certificates that end sooner are too old
}

// operatorOf returns a guess at who runs the name server called name: the
// label that its owner registered, without a number at its end. So the four
// of awsdns-12.com, awsdns-07.net, awsdns-55.org and awsdns-31.co.uk are one.
func operatorOf(name string) string {
	name = strings.TrimSuffix(name, ".")
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name // a public suffix itself
	}
	label, _, _ := strings.Cut(domain, ".")
	if short := strings.TrimRight(label, "0123456789-"); short != "" {
		return short
	}
	return label
}

// oneOperator returns whom all of names hang on; "" for several or none.
func oneOperator(names []string) string {
	op := ""
	for i, n := range names {
		if o := operatorOf(n); i == 0 {
			op = o
		} else if o != op {
			return ""
		}
	}
	return op
}

// network returns the /24 or /48 that a is in: the least that is routed on its
// own.
func network(a netip.Addr) netip.Prefix {
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an address with a zone
	}
	return p
}
