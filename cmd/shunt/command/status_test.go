package command

import (
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
)

// Words of operators and of servers stay in their cell, whatever is in them.
func TestStatusKeepsItsLines(t *testing.T) {
	said := "first\x1b[2J\tline\nsecond line"
	s := &admin.Status{Status: &controller.Status{
		Node:     "ns1",
		Pools:    []controller.PoolStatus{{Name: "alpha", State: "down", Reason: said, Frozen: "up"}},
		Services: []controller.ServiceStatus{{Name: "www.example.test.", Why: "beta answers; alpha drains (" + said + ")"}},
		Alarms:   []controller.Alarm{{Code: "pool-down", What: said}},
	}}
	s.Pools[0].Override = &health.Override{Force: health.ForceDrain, Expires: time.Now().Add(90 * time.Minute)}
	var out strings.Builder
	writeStatus(&out, s)
	if n := strings.Count(out.String(), "\n"); n != 10 {
		t.Errorf("%d lines, want 10:\n%s", n, out.String())
	}
	if strings.ContainsAny(out.String(), "\x1b\t") {
		t.Errorf("control characters in %q", out.String())
	}
	for _, want := range []string{"drain, 1h30m left, frozen up", "first [2J line …"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
