package command

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
)

// newExplain is `shunt explain`.
func newExplain(g *global) *cobra.Command {
	var who admin.Asker
	cmd := &cobra.Command{
		Use:   "explain NAME [TYPE]",
		Short: "Show the chain behind an answer, step by step",
		Long: `Show the filters behind an answer, what each kept and dropped, what answers
now, for how long it may be kept, and what would change it. Where answers depend
on the client's place, say for whom: by its address, or by its country and its
AS number. Without either it is a client of whom nothing is known.`,
		Example: `  shunt explain www.example.com
  shunt explain www.example.com AAAA --client 198.51.100.7
  shunt explain www.example.com --country DE --asn 64500`,
		Args: takes(1, 2),
		PreRunE: func(c *cobra.Command, _ []string) error {
			if who.Client != "" && who.Country+who.ASN != "" {
				return usageError{fmt.Errorf("--client knows where it is: leave out --country and --asn (see %s --help)", c.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: completeNames(g),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			qtype := "A"
			if len(args) == 2 {
				qtype = args[1]
			}
			e, err := node.Explain(c.Context(), args[0], qtype, who)
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), e, func() { writeExplanation(c.OutOrStdout(), e) })
		}),
	}
	cmd.Flags().StringVar(&who.Client, "client", "", "the asking client's `address`")
	cmd.Flags().StringVar(&who.Country, "country", "", "its country or subdivision, by the ISO `code`, as DE or US-CA")
	cmd.Flags().StringVar(&who.ASN, "asn", "", "its AS `number`, as 64500")
	return cmd
}

// writeExplanation prints e for people.
func writeExplanation(w io.Writer, e *controller.Explanation) {
	fmt.Fprintf(w, "%s %s%s\n", e.Name, e.Type, asker(e))
	if e.Service != "" {
		fmt.Fprintf(w, "  service %s, policy %s\n", e.Service, e.Policy)
	}
	for i, s := range e.Steps {
		fmt.Fprintf(w, "%3d. %-9s keeps %s\n", i+1, s.Filter, strings.Join(s.Kept, ", "))
		if s.Note != "" {
			fmt.Fprintf(w, "               %s\n", s.Note)
		}
		for _, d := range s.Dropped {
			fmt.Fprintf(w, "               drops %s: it %s\n", d.Pool, d.Why)
		}
	}
	fmt.Fprintf(w, "  %s\n", e.Why)
	if e.Service != "" {
		fmt.Fprintf(w, "  kept for %s%s\n", count(e.TTL, "second"), drawn(e.Draw))
		for i, c := range e.WouldChange {
			lead := "                "
			if i == 0 {
				lead = "  would change: "
			}
			fmt.Fprintf(w, "%s%s\n", lead, c)
		}
	}
	fmt.Fprintf(w, "%s\n", e.Rcode)
	for _, rr := range slices.Concat(e.Answer, e.Referral) {
		fmt.Fprintf(w, "  %s\n", rr)
	}
}

// asker says whom e is for; "" for anyone.
func asker(e *controller.Explanation) string {
	switch {
	case e.Client != "" && e.Place != "":
		return fmt.Sprintf(" for %s (%s)", e.Client, e.Place)
	case e.Client+e.Place != "":
		return " for " + e.Client + e.Place
	}
	return ""
}

// drawn says how a client comes to one of several answers.
func drawn(draw string) string {
	switch draw {
	case "again":
		return ", drawn once for each client network (/24, or /56 of IPv6), and anew after ten TTLs"
	case "stay":
		return ", drawn once for each client network (/24, or /56 of IPv6), which stays with it"
	}
	return ""
}

// newProbe is `shunt probe`.
func newProbe(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "probe POOL",
		Short: "Run a pool's monitors once, now, and show what they see",
		Long: `Look up the pool's host name and run each of its monitors against each of its
endpoints once. It is the running node that does so, from where it stands; what
is seen moves no verdict. Exit code 1 when a probe fails.`,
		Args:              takes(1, 1),
		ValidArgsFunction: completePools(g),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, args []string) error {
			reports, err := node.Probe(c.Context(), args[0])
			if err != nil {
				return whichPool(c.Context(), node, args[0], err)
			}
			if err := g.print(c.OutOrStdout(), reports, func() { writeReports(c.OutOrStdout(), reports) }); err != nil {
				return err
			}
			failed := 0
			for _, r := range reports {
				if !r.OK {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d probes of %s failed", failed, len(reports), args[0])
			}
			return nil
		}),
	}
}

// whichPool makes err name the pools that there are, where pool is none.
func whichPool(ctx context.Context, node *admin.Client, pool string, err error) error {
	s, asked := node.Status(ctx)
	if asked != nil {
		return err
	}
	var names []string
	for _, p := range s.Pools {
		if p.Name == pool {
			return err
		}
		names = append(names, p.Name)
	}
	return fmt.Errorf("%w (the pools are: %s)", err, strings.Join(names, ", "))
}

// writeReports prints what probes saw, with the time that each part took.
func writeReports(w io.Writer, reports []admin.Report) {
	rows := [][]string{{"MONITOR", "ENDPOINT", "RESULT", "CONNECT", "TLS", "WAIT", "READ", "TOTAL", "CERTIFICATE", "SEEN"}}
	ms := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1fms", v)
	}
	for _, r := range reports {
		word, cert, said := "ok", "-", r.Reason
		if !r.OK {
			word = string(r.Class)
		}
		if r.CertEnd != nil {
			cert = ends(time.Until(*r.CertEnd))
		}
		if r.Monitor == "" {
			r.Monitor, r.Endpoint = "(look-up)", "-"
			for _, a := range r.Addrs {
				said = strings.TrimPrefix(said+" "+a.String(), " ")
			}
		}
		rows = append(rows, []string{r.Monitor, r.Endpoint, word, ms(r.Connect), ms(r.TLS), ms(r.Processing), ms(r.Transfer), ms(r.Total), cert, oneLine(said)})
	}
	table(w, rows)
}

// ends says when something ends that does so after left, which is negative
// where it has.
func ends(left time.Duration) string {
	if left < 0 {
		return "ended " + age(-left) + " ago"
	}
	return "ends in " + age(left)
}

// newReload is `shunt reload`.
func newReload(g *global) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running node read its configuration and zone files again",
		Long: `Have the running node read its configuration and zone files again. They come
into force together or not at all: with a problem in any of them, what ran
before goes on running. A reload that would remove more than safety.max_remove
of the names or pools, or every pool of a service, needs --force.

The node reads the file that it was started with: --config only says where its
socket is.`,
		Args: usage(cobra.NoArgs),
		RunE: g.ask(func(c *cobra.Command, node *admin.Client, _ []string) error {
			r, err := node.Reload(c.Context(), force)
			if err != nil {
				return err
			}
			return g.print(c.OutOrStdout(), r, func() {
				fmt.Fprintln(c.OutOrStdout(), "reloaded")
				if len(r.Restart) > 0 {
					fmt.Fprintf(c.OutOrStdout(), "these keys changed and wait for a restart: %s\n", strings.Join(r.Restart, ", "))
				}
			})
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove as much as the new configuration removes")
	return cmd
}

// newVersion is `shunt version`.
func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return g.version(c) },
	}
}

// version prints what program this is.
func (g *global) version(c *cobra.Command) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{g.built, runtime.Version()}
	return g.print(c.OutOrStdout(), v, func() { fmt.Fprintf(c.OutOrStdout(), "shunt %s (%s)\n", v.Version, v.Go) })
}

// completePools completes the names of pools.
func completePools(g *global) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		pools, _ := g.names(c.Context())
		return pools, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNames completes the names of services, and the types behind them.
func completeNames(g *global) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			_, services := g.names(c.Context())
			return services, cobra.ShellCompDirectiveNoFileComp
		case 1:
			return []string{"A", "AAAA", "CNAME"}, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// names returns the names of the running node's pools and services, or else
// those of the configuration.
func (g *global) names(ctx context.Context) (pools, services []string) {
	if socket, _, err := g.control(); err == nil {
		if s, err := admin.NewClient(socket).Status(ctx); err == nil {
			for _, p := range s.Pools {
				pools = append(pools, p.Name)
			}
			for _, v := range s.Services {
				services = append(services, strings.TrimSuffix(v.Name, "."))
			}
			return pools, services
		}
	}
	cfg, err := g.load(nil, nil)
	if err != nil {
		return nil, nil
	}
	for _, p := range cfg.Pools {
		pools = append(pools, p.Name)
	}
	for _, z := range cfg.Zones {
		for _, v := range z.Services {
			services = append(services, strings.TrimSuffix(v.Name, "."))
		}
	}
	return pools, services
}
