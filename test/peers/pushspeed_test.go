//go:build peers

package peers

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPushSpeed moves 1,000 services in 10 zones at once, and waits until BIND
// and Knot serve them all and shunt has seen that. It logs how long that took;
// the bound is wide, for machines that do much else.
func TestPushSpeed(t *testing.T) {
	const zones, each, bound = 10, 100, 15 * time.Second
	var origins []string
	for i := range zones {
		origins = append(origins, fmt.Sprintf("z%d.test.", i))
	}
	p := &pushed{stage: newStage(t, ""), hosts: []*host{newHost(t, "bind", origins...), newHost(t, "knot", origins...)}}
	var providers, list strings.Builder
	for _, h := range p.hosts {
		providers.WriteString(h.described(""))
	}
	for _, z := range origins {
		fmt.Fprintf(&list, "  - name: %s\n    services:\n", z)
		for i := range each {
			fmt.Fprintf(&list, "      - {name: n%d, pools: [alpha, beta], ttl: 30s}\n", i)
		}
	}
	write(t, filepath.Join(p.dir, "push.key"), keySecret+"\n")
	write(t, filepath.Join(p.dir, "shunt.yaml"), fmt.Sprintf(`node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock}
pools:
  - {name: alpha, addresses: [%s]}
  - {name: beta, addresses: [%s]}
zones:
%sproviders:
%s`, alphaAddr, betaAddr, &list, &providers))
	p.node = serve(t, p.dir)
	settled := func(want string) time.Duration {
		began, generation := time.Now(), p.generation()
		p.node.until("both are verified", func() bool {
			time.Sleep(100 * time.Millisecond) // each look is a process, which costs what it is to measure
			out := p.node.run("status", "--json")
			return strings.Count(out, `"state": "in step"`) == 2 && strings.Count(out, fmt.Sprintf(`"verified": %d`, generation)) == 2
		})
		took := time.Since(began)
		for _, h := range p.hosts {
			for _, z := range []string{origins[0], origins[zones-1]} {
				if name := fmt.Sprintf("n%d.%s", each-1, z); !h.is(name, want) {
					t.Errorf("%s is said to be in step, and does not serve %s", h.name, name)
				}
			}
		}
		return took
	}
	t.Logf("first push of %d services: %v", zones*each, settled(alphaAddr.String()))
	for i := range 3 {
		force, want := "down", betaAddr.String()
		if i%2 == 1 {
			force, want = "up", alphaAddr.String()
		}
		p.node.run("override", "set", "alpha", force, "--for", "1h", "--reason", "how fast is it", "--force")
		took := settled(want)
		t.Logf("flip of %d services in %d zones, with verification: %v", zones*each, zones, took)
		if took > bound {
			t.Errorf("that took %v", took)
		}
	}
}

// generation returns that of the snapshot that answers.
func (p *pushed) generation() uint64 {
	p.t.Helper()
	return uint64(p.node.status().Generation)
}
