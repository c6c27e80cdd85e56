package command

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/demo"
)

// newDemo is `shunt demo`.
func newDemo(g *global) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a CDN failure on loopback, with nothing to set up",
		Long: `Play three CDNs and an origin on loopback, serve a zone in front of them, and
show how the answers move when one CDN starts to fail and when it comes back,
here and on a dashboard, whose address it tells. Nothing outside loopback is
touched. The node keeps running until Ctrl-C.

The demo brings its own configuration: --config, --socket and --json have no
effect on it.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.Run(c.Context(), demo.Options{Once: once, Out: c.OutOrStdout(), Log: c.ErrOrStderr(), Version: g.built, Self: os.Args[0]})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the scene")
	return cmd
}
