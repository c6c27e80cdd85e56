package script

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// An edge is one played path to the site.
type edge = cdntest.Edge

// edgeAddrs are where each path is played. One monitor has one port, so that
// the edges of a script share theirs and differ by address.
func edgeAddrs() map[string]netip.Addr {
	return map[string]netip.Addr{
		"alpha":  netip.MustParseAddr("127.0.0.11"),
		"beta":   netip.MustParseAddr("127.0.0.12"),
		"gamma":  netip.MustParseAddr("127.0.0.13"),
		"origin": netip.MustParseAddr("127.0.0.14"),
	}
}

// edgeCommands is the command cdn.
func edgeCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"cdn": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "cdn")
			if len(args) < 2 {
				ts.Fatalf("usage: cdn start|start-tls NAME… · cdn NAME FAULT|kill")
			}
			switch args[0] {
			case "start":
				startEdges(ts, args[1:], nil)
			case "start-tls":
				ca, err := cdntest.NewCA()
				ts.Check(err)
				ts.Check(ca.WriteFile(ts.MkAbs("ca.pem")))
				startEdges(ts, args[1:], ca)
			default:
				e := stageOf(ts).edges[args[0]]
				if e == nil {
					ts.Fatalf("cdn: %s was not started", args[0])
				}
				if args[1] == "kill" { // as the kernel ends a process: connections too, and for good
					e.Close()
					return
				}
				ts.Check(e.Set(fault(ts, args[1])))
			}
		},
	}
}

// startEdges starts the named edges on one free port.
func startEdges(ts *testscript.TestScript, names []string, ca *cdntest.CA) {
	s := stageOf(ts)
	var addrs []netip.Addr
	for _, name := range names {
		addr, ok := edgeAddrs()[name]
		if !ok {
			ts.Fatalf("cdn: there is no address for %q", name)
		}
		addrs = append(addrs, addr)
	}
	edges, port, err := onOnePort(addrs, cdntest.Options{CA: ca})
	ts.Check(err)
	for i, e := range edges {
		s.edges[names[i]] = e
		ts.Defer(e.Close)
	}
	ts.Setenv("EDGE", strconv.Itoa(int(port)))
}

// onOnePort starts an edge on each of addrs, all on one free port. Another
// process may take a port first, but not again and again.
func onOnePort(addrs []netip.Addr, o cdntest.Options) (edges []*edge, port uint16, err error) {
	for range 6 {
		if port, err = cdntest.FreePort(addrs...); err != nil {
			return nil, 0, err
		}
		for _, addr := range addrs {
			var e *edge
			if e, err = cdntest.Start(netip.AddrPortFrom(addr, port), o); err != nil {
				break
			}
			edges = append(edges, e)
		}
		if err == nil {
			return edges, port, nil
		}
		for _, e := range edges {
			e.Close()
		}
		edges = nil
	}
	return nil, 0, err
}

// fault reads a fault's name, an HTTP status, or how late a healthy answer is,
// as late-100ms.
func fault(ts *testscript.TestScript, word string) cdntest.Fault {
	if code, err := strconv.Atoi(word); err == nil {
		return cdntest.Status(code)
	}
	if late, ok := strings.CutPrefix(word, "late-"); ok {
		d, err := time.ParseDuration(late)
		ts.Check(err)
		return cdntest.SlowHeaders(d)
	}
	f, ok := map[string]cdntest.Fault{
		"healthy":      cdntest.Healthy(),
		"hang":         cdntest.Hang(),
		"refuse":       cdntest.Refuse(),
		"reset":        cdntest.Reset(),
		"challenge":    cdntest.Challenge(),
		"wrong-body":   cdntest.WrongBody(),
		"wrong-cert":   cdntest.WrongCert(),
		"expired-cert": cdntest.ExpiredCert(),
		"slow":         cdntest.SlowHeaders(10 * time.Second),
	}[word]
	if !ok {
		ts.Fatalf("cdn: there is no fault %q", word)
	}
	return f
}
