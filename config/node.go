package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// typed makes the single keys of cfg from raw.
func (r *reader) typed(cfg *Config, raw *rawSettings, o Overrides, dir string) {
	cfg.Node = r.node(raw, o, dir)
	cfg.Listen = r.listen(raw, dir)
	cfg.DNS = r.dns(raw, cfg.Node.Name, dir)

	p, list, place := r.some("resolvers", raw.Resolvers)
	cfg.Resolvers = r.sockets(p, list, 53, false)
	if len(list) == 0 {
		r.problem(p, place, "host names of pools need a resolver", "leave the key out, or name recursive servers of several operators")
	}
	for i, own := range cfg.Listen.DNS {
		if j := slices.Index(cfg.Resolvers, own); j >= 0 && own.Port() != 0 {
			r.problem(p, place, own.String()+" is this server itself, which never recurses", fmt.Sprintf("name a recursive server; listen.dns[%d] has this address", i))
		}
	}
	p, list, _ = r.some("vantage.controls", raw.Vantage.Controls)
	for _, ap := range r.sockets(p, list, 0, false) {
		cfg.Vantage.Controls = append(cfg.Vantage.Controls, Control{Address: ap})
	}
	p, s := r.one("safety.at_least", raw.Safety.AtLeast)
	cfg.Safety.AtLeast = r.count(p, s, 1, 0, MaxChoices)
	p, s = r.one("safety.max_remove", raw.Safety.MaxRemove)
	cfg.Safety.MaxRemove = r.share(p, s, 0.25, 0, 100)
	cfg.Places = r.whereabouts(raw, dir)
	cfg.Transfer = r.transfer(raw)
	cfg.Traces = r.traces(raw, dir)
}

func (r *reader) node(raw *rawSettings, o Overrides, dir string) Node {
	n := Node{Name: o.Hostname}
	if n.Name == "" {
		n.Name = "localhost"
	}
	if raw.Node.Name != nil {
		p, s := r.one("node.name", *raw.Node.Name)
		if name := r.hostName(p, s); name != "" {
			n.Name = strings.TrimSuffix(name, ".")
		}
	}
	p, s := r.one("node.state_dir", raw.Node.StateDir)
	n.StateDir = r.filePath(p, s, dir)
	if s.text == "" {
		r.problem(p, s, "the folder has no name", "write an absolute path, as in /var/lib/shunt")
	}
	if p, s = r.one("node.user", raw.Node.User); s.text != "" {
		n.User = r.label(p, s, "")
	}
	p, s = r.one("node.log.format", raw.Node.Log.Format)
	n.Log.Format = r.word(p, s, "text", "json")
	p, s = r.one("node.log.level", raw.Node.Log.Level)
	n.Log.Level = r.level(p, s)
	return n
}

func (r *reader) level(p path, s scalar) string {
	return r.word(p, s, "info", "debug", "warn", "error")
}

func (r *reader) listen(raw *rawSettings, dir string) Listen {
	p, list, place := r.some("listen.dns", raw.Listen.DNS)
	l := Listen{DNS: r.sockets(p, list, 53, true)}
	if len(list) == 0 {
		r.problem(p, place, "there is nowhere to listen", `leave the key out, or write addresses, as in ["0.0.0.0:53", "[::]:53"]`)
	}
	r.encrypted(&l, raw, dir)
	r.web(&l, raw, dir)
	p, s := r.one("listen.control", raw.Listen.Control)
	l.Control = r.filePath(p, s, dir)
	const most = 104 // sun_path of unix(7) less the final NUL, on the strictest system
	if s.text == "" || len(l.Control) >= most {
		r.problem(p, s, fmt.Sprintf("a socket cannot have a path of %d octets", len(l.Control)), fmt.Sprintf("write a path of 1 to %d octets", most-1))
	}
	return l
}

func (r *reader) dns(raw *rawSettings, node, dir string) DNS {
	d := DNS{NSID: node}
	if raw.DNS.NSID != nil {
		p, s := r.one("dns.nsid", *raw.DNS.NSID)
		if d.NSID = s.text; len(s.text) > 128 {
			r.problem(p, s, fmt.Sprintf("%d octets are too many", len(s.text)), "write at most 128")
		}
	}
	p, s := r.one("dns.udp_size", raw.DNS.UDPSize)
	d.UDPSize = r.count(p, s, 1232, 512, 4096)
	p, s = r.one("dns.cookies", raw.DNS.Cookies)
	d.Cookies = r.yes(p, s, true)
	p, s = r.one("dns.cookie_secret_file", raw.DNS.CookieSecretFile)
	d.SecretFile = r.filePath(p, s, dir)
	d.TCP = r.tcp(raw)
	d.RateLimit = r.rateLimit(raw)
	return d
}

func (r *reader) tcp(raw *rawSettings) TCP {
	var t TCP
	p, s := r.one("dns.tcp.connections", raw.DNS.TCP.Connections)
	t.Connections = r.count(p, s, 1000, 1, 100_000)
	p, s = r.one("dns.tcp.per_client", raw.DNS.TCP.PerClient)
	t.PerClient = r.count(p, s, 50, 1, 100_000)
	p, s = r.one("dns.tcp.idle", raw.DNS.TCP.Idle)
	t.Idle = r.span(p, s, 10*time.Second, 100*time.Millisecond, time.Hour)
	p, s = r.one("dns.tcp.queries", raw.DNS.TCP.Queries)
	t.Queries = r.count(p, s, 0, 0, 1_000_000_000)
	p, s = r.one("dns.tcp.message_size", raw.DNS.TCP.MessageSize)
	t.MessageSize = r.count(p, s, 4096, 512, 65535)
	return t
}

func (r *reader) rateLimit(raw *rawSettings) RateLimit {
	var l RateLimit
	p, s := r.one("dns.rate_limit.responses", raw.DNS.RateLimit.Responses)
	l.Responses = r.count(p, s, 200, 0, 1_000_000)
	p, s = r.one("dns.rate_limit.slip", raw.DNS.RateLimit.Slip)
	l.Slip = r.count(p, s, 2, 0, 100)
	p, s = r.one("dns.rate_limit.ipv4_prefix", raw.DNS.RateLimit.IPv4Prefix)
	l.IPv4Prefix = r.count(p, s, 24, 8, 32)
	p, s = r.one("dns.rate_limit.ipv6_prefix", raw.DNS.RateLimit.IPv6Prefix)
	l.IPv6Prefix = r.count(p, s, 56, 16, 128)
	p, list, _ := r.some("dns.rate_limit.exempt", raw.DNS.RateLimit.Exempt)
	for i, s := range list {
		if net, ok := r.prefix(p.item(i), s); ok {
			l.Exempt = append(l.Exempt, net)
		}
	}
	return l
}

// prefix reads a network; an address alone is a network of one.
func (r *reader) prefix(p path, s scalar) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s.text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	net, err := netip.ParsePrefix(s.text)
	if err != nil {
		r.problem(p, s, fmt.Sprintf("%q is not a network", clip(s.text)), "write an address and a prefix length, as in 192.0.2.0/24")
		return net, false
	}
	if net != net.Masked() {
		r.problem(p, s, s.text+" has bits set behind its prefix", "write "+net.Masked().String())
		return net, false
	}
	return net, true
}

// filePath reads a path; one that is relative starts at the configuration's
// folder.
func (r *reader) filePath(p path, s scalar, dir string) string {
	if strings.ContainsAny(s.text, "\x00\n\r") {
		r.problem(p, s, "a path has no control characters", "")
		return ""
	}
	return r.stand(absolute(dir, s.text))
}
