//go:build peers

package peers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// digConfig is a node with one steered name and a zone file beside it.
const digConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
pools:
  - {name: alpha, addresses: [192.0.2.1]}
zones:
  - name: example.test
    file: example.test.zone
    services:
      - {name: www, pools: [alpha], ttl: 30s}
`

// digZone returns its zone file. The TXT records of big do not fit a datagram.
func digZone() string {
	var b strings.Builder
	b.WriteString(`$TTL 300
@	IN SOA ns1 hostmaster 1 3600 600 86400 60
@	IN NS  ns1
ns1	IN A   192.0.2.53
@	IN MX  10 mail
mail	IN A   192.0.2.25
`)
	for i := range 40 {
		fmt.Fprintf(&b, "big\tIN TXT \"%02d %s\"\n", i, strings.Repeat("x", 80))
	}
	return b.String()
}

// TestDigAndKdig holds the server to what the two best known clients show of
// it. A word of want is a part of what is printed, spaces folded; after a !
// stands what must not be there. NODATA of a steered name lives no longer than
// its answers: another pool may have what this one lacks.
func TestDigAndKdig(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "shunt.yaml"), digConfig)
	write(t, filepath.Join(dir, "example.test.zone"), digZone())
	n := serve(t, dir)
	for _, c := range []struct {
		name, command string
		want          []string
	}{
		{"EDNS", "dig www.example.test +bufsize=1400",
			[]string{"status: NOERROR", "flags: qr aa rd;", "EDNS: version: 0, flags:; udp: 1232", "www.example.test. 30 IN A 192.0.2.1"}},
		{"no EDNS", "dig www.example.test +noedns",
			[]string{"status: NOERROR", "!OPT PSEUDOSECTION", "www.example.test. 30 IN A 192.0.2.1"}},
		{"NSID (RFC 5001)", "dig www.example.test +nsid", []string{`("ns1.example.test")`}},
		{"NSID", "kdig www.example.test +nsid", []string{`"ns1.example.test"`}},
		{"cookie (RFC 7873)", "dig www.example.test +cookie", []string{"(good)"}},
		{"cookie", "kdig www.example.test +cookie", []string{";; COOKIE: ", "status: NOERROR"}},
		{"client subnet, not looked at (RFC 7871)", "dig www.example.test +subnet=198.51.100.0/24", []string{"CLIENT-SUBNET: 198.51.100.0/24/0"}},
		{"client subnet", "kdig www.example.test +subnet=2001:db8::/48", []string{"CLIENT-SUBNET: 2001:db8::/48/0"}},
		{"unknown option ignored (RFC 6891 §6.1.2)", "dig www.example.test +ednsopt=65001:c0ffee", []string{"status: NOERROR", "192.0.2.1", "!c0 ff ee"}},
		{"BADVERS", "dig www.example.test +edns=1 +noednsneg", []string{"status: BADVERS", "EDNS: version: 0", "ANSWER: 0"}},
		{"BADVERS", "kdig www.example.test +edns=1", []string{"status: BADVERS", "ANSWER: 0"}},
		{"BADVERS, tried again", "dig www.example.test +edns=1", []string{"BADVERS, retrying with EDNS version 0", "status: NOERROR", "192.0.2.1"}},
		{"DO without signatures", "dig www.example.test +dnssec", []string{"flags: do; udp: 1232", "192.0.2.1"}},
		{"one connection, two questions", "dig +tcp +keepopen www.example.test example.test MX", []string{"(TCP)", "192.0.2.1", "10 mail.example.test."}},
		{"one connection, two questions", "kdig +tcp +keepopen www.example.test example.test MX", []string{"(TCP)", "192.0.2.1", "10 mail.example.test."}},
		{"cut off", "dig big.example.test TXT +ignore +bufsize=512", []string{"flags: qr aa tc rd;", "(UDP)"}},
		{"cut off, then TCP", "dig big.example.test TXT", []string{"Truncated, retrying in TCP mode", "ANSWER: 40,", "(TCP)", `"00 xxx`, `"39 xxx`}},
		{"cut off, then TCP", "kdig big.example.test TXT", []string{"ANSWER: 40;", "(TCP)"}},
		{"0x20", "dig wWw.ExAmPlE.tEsT", []string{";wWw.ExAmPlE.tEsT. IN A", "wWw.ExAmPlE.tEsT. 30 IN A 192.0.2.1"}},
		{"0x20 of NODATA", "dig bIg.ExAmPlE.tEsT AAAA", []string{";bIg.ExAmPlE.tEsT. IN AAAA", "status: NOERROR", "ANSWER: 0,"}},
		{"opcode", "dig +opcode=status www.example.test", []string{"opcode: STATUS, status: NOTIMP"}},
		{"outside our zones", "dig www.other.test", []string{"status: REFUSED", "EDE: 20 (Not Authoritative)", "flags: qr rd;"}},
		{"outside our zones", "kdig . NS", []string{"status: REFUSED"}},
		{"class CH", "dig CH TXT id.server", []string{`id.server. 0 CH TXT "ns1.example.test"`}},
		{"class CH", "kdig CH TXT hostname.bind", []string{`CH TXT "ns1.example.test"`}},
		{"version is nobody's business", "dig CH TXT version.bind", []string{"status: REFUSED"}},
		{"AXFR", "dig example.test AXFR", []string{"Transfer failed."}},
		{"AXFR", "kdig example.test AXFR", []string{"REFUSED", "!192.0.2.53"}},
		{"minimal ANY (RFC 8482)", "dig example.test ANY +notcp", []string{"status: NOERROR", "ANSWER: 1,"}},
		{"minimal ANY, steered", "kdig www.example.test ANY", []string{"ANSWER: 1;", "www.example.test. 30 IN A 192.0.2.1"}},
		{"NODATA of a steered name", "dig www.example.test AAAA", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "example.test. 30 IN SOA"}},
		{"NODATA of a steered name", "kdig www.example.test HTTPS", []string{"status: NOERROR", "ANSWER: 0; AUTHORITY: 1", "example.test. 30 IN SOA"}},
		{"NXDOMAIN below a steered name", "dig x.www.example.test", []string{"status: NXDOMAIN", "example.test. 60 IN SOA"}},
	} {
		t.Run(strings.Fields(c.command)[0]+" "+c.name, func(t *testing.T) {
			got := n.shown(c.command)
			for _, w := range c.want {
				if part, not := strings.CutPrefix(w, "!"); strings.Contains(got, part) == not {
					t.Errorf("%s: want %q in\n%s", c.command, w, got)
				}
			}
		})
	}
	t.Run("pipelining", n.pipelining)
}

// shown runs a command line of dig or kdig against n and returns what it
// prints, its spaces folded, whatever the exit code: a refused transfer has one.
func (n *node) shown(command string) string {
	words := strings.Fields(command)
	argv := append([]string{"@" + n.addr.Addr().String(), "-p", fmt.Sprint(n.addr.Port())}, words[1:]...)
	if words[0] == "dig" {
		argv = append([]string{"-r"}, argv...)
	}
	out, _ := exec.Command(words[0], argv...).CombinedOutput()
	return folded(string(out))
}

// pipelining writes many questions at once, as RFC 7766 §6.2.1.1 allows, and
// expects every answer.
func (n *node) pipelining(t *testing.T) {
	var queries [][]byte
	for range 100 {
		queries = append(queries, dnstest.Ask(t, "www.example.test. A"), dnstest.Ask(t, "big.example.test. TXT"))
	}
	for i, reply := range dnstest.TCP(t, n.addr, queries...) {
		if text := dnstest.Text(reply); !strings.HasPrefix(text, "NOERROR qr aa") || strings.Count(text, "\nan ") != []int{1, 40}[i%2] {
			t.Fatalf("reply %d:\n%s", i, text)
		}
	}
}
