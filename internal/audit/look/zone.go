package look

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/audit"
)

// readZone returns what the master file of z says of name servers, negative
// answers and aliases. What it includes is read from below its folder only.
func readZone(z config.Zone) (audit.Zone, error) {
	var out audit.Zone
	root, err := os.OpenRoot(filepath.Dir(z.File))
	if err != nil {
		return out, err
	}
	defer root.Close()
	name := filepath.Base(z.File)
	file, err := root.Open(name)
	if err != nil {
		return out, err
	}
	defer file.Close()
	p := dns.NewZoneParser(file, z.Name, name)
	p.SetIncludeAllowed(true)
	p.SetIncludeFS(root.FS())
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		ttl := time.Duration(rr.Header().Ttl) * time.Second
		owner := strings.ToLower(rr.Header().Name)
		switch r := rr.(type) {
		case *dns.SOA:
			out.Negative = min(ttl, time.Duration(r.Minttl)*time.Second)
		case *dns.NS:
			if owner == z.Name {
				out.NS = append(out.NS, strings.ToLower(r.Ns))
			}
		case *dns.CNAME:
			out.Aliases = append(out.Aliases, audit.Alias{Owner: owner, Target: strings.ToLower(r.Target), TTL: ttl})
		}
	}
	if err := p.Err(); err != nil {
		return out, fmt.Errorf("the master file was not read to its end: %w", err)
	}
	slices.Sort(out.NS)
	return out, nil
}
