// Package demo plays a multi-CDN failover on loopback for a person to watch:
// three CDNs and an origin from an embedded web server, a real node in front
// of them, and a scene in which one CDN fails and comes back.
//
// Nothing in it is special: the node is the one that serve runs, and it does
// not know that its CDNs are played. The package never leaves loopback and
// removes what it wrote.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/node"
)

// Options say how to play.
type Options struct {
	Once    bool      // end after the scene; else go on until the context ends
	Out     io.Writer // takes the story
	Log     io.Writer // takes the node's log
	Version string
	Self    string // how to call this program, in what the story suggests
}

// actors are the paths to the site, and where each is played.
var actors = [...]struct{ name, addr string }{
	{"alpha", "127.0.0.11"}, {"beta", "127.0.0.12"}, {"gamma", "127.0.0.13"}, {"origin", "127.0.0.14"},
}

// site is the host name that everything is about.
const site = "www.example.test"

// A stage is a node and its CDNs, all on loopback.
type stage struct {
	opts  Options
	dir   string
	edges map[string]*cdntest.Edge
	node  *node.Node
	dns   netip.AddrPort
	ctl   string // control socket
	web   netip.AddrPort
	token string // that logs in there
	asker net.Resolver
	start time.Time
}

// Run plays the scene, and returns when ctx ends or, with Options.Once, after
// the scene. The error says what did not happen.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "shunt-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{opts: o, dir: dir, edges: map[string]*cdntest.Edge{}}
	defer s.close()
	if err := s.build(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.node.Run(ctx, nil) })
	g.Go(func() error {
		err := s.play(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how the demo ends, in the middle of the scene too
		}
		if err != nil || o.Once {
			stop()
			return err
		}
		<-ctx.Done()
		return nil
	})
	return g.Wait()
}

// build starts the CDNs, writes the configuration and opens the node.
func (s *stage) build() error {
	port, err := s.startEdges()
	if err != nil {
		return err
	}
	path, err := s.write(port)
	if err != nil {
		return err
	}
	if err := s.invite(); err != nil {
		return err
	}
	load := func() (*config.Config, error) { return config.Load(path, config.Overrides{Hostname: "demo"}) }
	cfg, err := load()
	if err != nil {
		return err
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		return err
	}
	s.node, err = node.Open(l, node.Options{Load: load, Log: node.Logger(cfg.Node.Log, s.opts.Log), Version: s.opts.Version})
	if err != nil {
		return err
	}
	s.dns, s.ctl, s.web = s.node.Addrs()[0], cfg.Listen.Control, s.node.AddrsWeb()[0]
	s.asker = net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.dns.String())
	}}
	return nil
}

// startEdges starts every actor on one free port, the same for all because a
// monitor has one port.
func (s *stage) startEdges() (port uint16, err error) {
	ca, err := cdntest.NewCA()
	if err != nil {
		return 0, err
	}
	if err := ca.WriteFile(filepath.Join(s.dir, "ca.pem")); err != nil {
		return 0, err
	}
	addrs := make([]netip.Addr, len(actors))
	for i, a := range actors {
		addrs[i] = netip.MustParseAddr(a.addr)
	}
	if port, err = cdntest.FreePort(addrs...); err != nil {
		return 0, err
	}
	for i, a := range actors {
		o := cdntest.Options{Host: site, CA: ca, Body: "demo-ok from " + a.name + "\n"}
		if s.edges[a.name], err = cdntest.Start(netip.AddrPortFrom(addrs[i], port), o); err != nil {
			return 0, err
		}
	}
	return port, nil
}

// close ends the actors.
func (s *stage) close() {
	for _, e := range s.edges {
		if e != nil {
			e.Close()
		}
	}
}

// write puts configuration and zone files into the stage's folder and returns
// the configuration's path.
func (s *stage) write(port uint16) (string, error) {
	dns, web := "127.0.0.1:5300", "127.0.0.1:8053"
	if busy(dns) {
		dns = "127.0.0.1:0"
	}
	if busy(web) {
		web = "127.0.0.1:0"
	}
	var cdn strings.Builder
	fmt.Fprint(&cdn, "$TTL 60\n@ SOA ns1.example.test. hostmaster.example.test. 1 3600 600 1209600 60\n@ NS ns1.example.test.\n")
	for _, a := range actors[:3] {
		fmt.Fprintf(&cdn, "%s A %s\n", a.name, a.addr)
	}
	files := map[string]string{
		"shunt.yaml":        fmt.Sprintf(demoConfig, s.dir, dns, port, web),
		"example.test.zone": demoZone,
		"cdn.test.zone":     cdn.String(),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(s.dir, "shunt.yaml"), nil
}

// invite makes the token with which the dashboard is logged in to.
func (s *stage) invite() error {
	t, shown, err := admin.NewToken("demo", "write", time.Now().Add(24*time.Hour))
	if err != nil {
		return err
	}
	s.token = shown
	return admin.WriteTokens(filepath.Join(s.dir, "tokens"), []admin.Token{t}, "")
}

// busy reports whether something answers at addr already, over UDP or TCP.
func busy(addr string) bool {
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return true
	}
	defer u.Close()
	t, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	t.Close()
	return false
}

// demoConfig is the configuration of the stage: folder, DNS address, port of
// the CDNs, address of the dashboard.
const demoConfig = `node: {name: demo, state_dir: %[1]s/state, log: {level: warn}}
listen:
  dns: ["%[2]s"]
  control: %[1]s/shunt.sock
  web: ["%[4]s"]
  tokens: %[1]s/tokens
monitors:
  - name: site
    https: {host: www.example.test, port: %[3]d, path: /healthz, body: demo-ok, root_cas: ca.pem}
    interval: 1s
    timeout: 1s
    fall: 3
    rise: 3
    hold_down: 5s
pools:
  - {name: alpha, cname: alpha.cdn.test, monitors: [site]}
  - {name: beta, cname: beta.cdn.test, monitors: [site]}
  - {name: gamma, cname: gamma.cdn.test, monitors: [site]}
  - {name: origin, operator: self, addresses: [127.0.0.14], monitors: [site]}
zones:
  - name: example.test
    file: example.test.zone
    services:
      - {name: www, pools: [alpha, beta, gamma, origin], policy: failover, ttl: 10s}
      - {name: "@", pools: [alpha, beta, gamma, origin], policy: failover, ttl: 10s}
      - {name: static, pools: [{pool: alpha, weight: 95}, {pool: beta, weight: 5}], policy: weighted, ttl: 10s}
  - {name: cdn.test, file: cdn.test.zone}
`

// demoZone is all of example.test that is not steered.
const demoZone = `$TTL 300
@    SOA ns1 hostmaster 1 3600 600 1209600 60
     NS  ns1
     MX  10 mail
ns1  A   127.0.0.1
mail A   192.0.2.25
`

// errScene is what a scene that did not play out as told ends with.
var errScene = errors.New("the scene did not play out")
