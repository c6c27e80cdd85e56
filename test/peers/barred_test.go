//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// TestNameNotGranted: where the key may change www and a service api is added,
// api is named as what may not be changed, and www is pushed and fails over. A
// secret that is wrong is denied.
func TestNameNotGranted(t *testing.T) {
	for name, block := range map[string]string{"bind": "// named.conf", "knot": "# knot.conf"} {
		for _, transfers := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, transfers %v", name, transfers), func(t *testing.T) {
				h := documentedHost(t, name, block, transfers)
				s := newStage(t, "")
				conf := fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
monitors:
  - {name: web, http: {host: www.example.com, port: %d}, interval: 300ms, timeout: 300ms, recheck: 50ms}
pools:
  - {name: alpha, addresses: [%s], monitors: [web]}
  - {name: beta, addresses: [%s], monitors: [web]}
zones:
  - name: example.com
    services:
      - {name: www, pools: [alpha, beta]}
      - {name: api, pools: [alpha, beta]}
      - {name: zulu, pools: [alpha, beta]}
providers:
%s`, s.port, alphaAddr, betaAddr, h.described(""))
				write(t, filepath.Join(s.dir, "push.key"), keySecret+"\n")
				write(t, filepath.Join(s.dir, "shunt.yaml"), conf)
				n := serve(t, s.dir)
				n.until("www is there", func() bool { return h.is("www.example.com.", alphaAddr.String()) })
				held := func(names ...string) bool {
					var status struct {
						Providers []struct {
							State string
							Held  []struct{ Name, Why string }
						}
					}
					if err := json.Unmarshal([]byte(n.run("status", "--json")), &status); err != nil || len(status.Providers) != 1 {
						return false
					}
					p := status.Providers[0]
					if p.State != "held" || len(p.Held) != len(names) {
						return false
					}
					for i, x := range p.Held {
						if x.Name != names[i] || !strings.Contains(x.Why, "our credentials may not change it") {
							return false
						}
					}
					return true
				}
				n.until("the others are named", func() bool { return held("api.example.com.", "zulu.example.com.") })
				n.until("an alarm names one", func() bool {
					return strings.Contains(n.run("status"), "api.example.com.: our credentials may not change it")
				})
				s.fail(s.alpha, cdntest.Status(503))
				n.until("www fails over", func() bool { return h.is("www.example.com.", betaAddr.String()) })
				n.until("the others are named again", func() bool { return held("api.example.com.", "zulu.example.com.") })
				if r, err := h.exchange(new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); err != nil || len(r.Answer) != 1 {
					t.Errorf("%v %v", r, err)
				}

				write(t, filepath.Join(s.dir, "push.key"), "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=\n")
				n.run("reload")
				n.until("a wrong secret is denied", func() bool { return strings.Contains(n.run("status"), "provider-denied") })
			})
		}
	}
}
