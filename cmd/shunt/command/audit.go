package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/audit"
	"github.com/shunt-dns/shunt/internal/audit/look"
)

// newAudit is `shunt audit`.
func newAudit(g *global) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "audit [ZONE]",
		Short: "Find single points of failure, in the configuration and in live DNS",
		Long: `Find single points of failure: pools of one operator, name servers in one network,
standbys whose certificate does not cover the name, TTLs that make failover slow,
and what else would make an outage worse. The configuration is read as check
reads it; live DNS goes through its resolvers, and a TLS handshake to each
endpoint asks for the names of the services. No running node is asked, and the
whole takes 30 seconds at most. Exit code 1 when a finding is critical.`,
		Example: `  shunt audit
  shunt audit example.com --json
  shunt audit --offline -c shunt.yaml`,
		Args: usage(takes(0, 1)),
		RunE: func(c *cobra.Command, args []string) error {
			zone := ""
			if len(args) > 0 {
				zone = strings.ToLower(strings.TrimSuffix(args[0], ".")) + "."
			}
			return g.audit(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), zone, offline)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "look at the configuration alone: no live DNS, no handshakes")
	return cmd
}

// An Audited is the outcome of `shunt audit --json`.
type Audited struct {
	OK       bool            `json:"ok"`   // nothing critical
	Live     bool            `json:"live"` // live DNS and certificates were looked at
	Zone     string          `json:"zone,omitempty"`
	Findings []audit.Finding `json:"findings"`
}

// audit audits the configuration, or one zone of it.
func (g *global) audit(ctx context.Context, w, progressTo io.Writer, zone string, offline bool) error {
	l, err := g.check(progress(progressTo, "percent of the zones checked"))
	if err != nil {
		return err
	}
	if zone != "" && !slices.ContainsFunc(l.Config.Zones, func(z config.Zone) bool { return z.Name == zone }) {
		return fmt.Errorf("there is no zone %s in %s", zone, l.Config.Path)
	}
	var facts *audit.Facts
	if offline {
		facts = look.Offline(l.Config, zone)
	} else {
		facts = look.Live(ctx, l.Config, l.Set, zone)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a := Audited{Live: !offline, Zone: zone, Findings: audit.Findings(l.Config, zone, facts)}
	counts := map[audit.Severity]int{}
	for _, f := range a.Findings {
		counts[f.Severity]++
	}
	a.OK = counts[audit.Critical] == 0
	if a.Findings == nil {
		a.Findings = []audit.Finding{}
	}
	if err := g.print(w, a, func() { writeAudit(w, a, counts) }); err != nil {
		return err
	}
	if !a.OK {
		return fmt.Errorf("%s: %d critical", count(len(a.Findings), "finding"), counts[audit.Critical])
	}
	return nil
}

// writeAudit prints a for people.
func writeAudit(w io.Writer, a Audited, counts map[audit.Severity]int) {
	for _, f := range a.Findings {
		alike := ""
		if f.Alike > 0 {
			alike = fmt.Sprintf(" (and %s alike)", count(f.Alike, "service"))
		}
		fmt.Fprintf(w, "%-8s  %s  %s%s\n", f.Severity, f.Code, oneLine(f.Subject), alike)
		fmt.Fprintf(w, "          %s\n          mend: %s\n", oneLine(f.Evidence), oneLine(f.Mend))
	}
	fmt.Fprintf(w, "%d critical, %s, %d for information\n", counts[audit.Critical], count(counts[audit.Warning], "warning"), counts[audit.Info])
	if !a.Live {
		fmt.Fprintln(w, "offline: delegations, the DNS of host names, and certificates were not looked at")
	}
}
