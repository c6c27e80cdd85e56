package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shunt-dns/shunt/internal/admin"
)

// tokens are the flags of `shunt token`: where the file is.
type tokens struct {
	*global
	file  string
	owner string // user that must be able to read it; "": whoever writes it
}

// newToken is `shunt token new|list|revoke`.
func newToken(g *global) *cobra.Command {
	t := &tokens{global: g}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Say who may use dashboard and API over the network",
		Long: `Say who may use listen.web: dashboard, API and metrics. The tokens stand, as
hashes, in the file that listen.tokens names. These commands work on that file,
whether the node runs or not; one that runs follows it within a second.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.PersistentFlags().StringVar(&t.file, "file", "", "`file` of tokens (default listen.tokens of the configuration)")
	cmd.AddCommand(newTokenNew(t), newTokenList(t), newTokenRevoke(t))
	return cmd
}

// find finds the file.
func (t *tokens) find() error {
	cfg, err := t.load(nil, nil)
	switch {
	case err == nil:
		t.owner = cfg.Node.User
		if t.file == "" {
			t.file = cfg.Listen.Tokens
		}
	case t.file == "":
		return err
	}
	if t.file == "" {
		return errors.New("listen.tokens names no file (set it, or name one with --file)")
	}
	t.file, err = filepath.Abs(t.file)
	return err
}

// change replaces the tokens of the file by what f makes of them.
func (t *tokens) change(f func([]admin.Token) ([]admin.Token, error)) error {
	if err := t.find(); err != nil {
		return err
	}
	return admin.ChangeTokens(t.file, t.owner, f)
}

// A tokenAnswer is a token, as JSON.
type tokenAnswer struct {
	Name    string    `json:"name"`
	Rights  string    `json:"rights"`
	Feeds   []string  `json:"feeds,omitempty"` // that it speaks for, where its right is to feed
	Expires time.Time `json:"expires"`
	Ended   bool      `json:"ended"`
	Token   string    `json:"token,omitempty"` // when it is made, and never again
}

func newTokenNew(t *tokens) *cobra.Command {
	var rights string
	var feeds []string
	lasts := span{least: time.Second, most: admin.LongestToken}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token, and show it this once",
		Example: `  shunt token new grafana --rights read --for 365d
  shunt token new kim --rights write --for 90d
  shunt token new rum --rights feed --for 365d
  shunt token new edge --rights feed --feeds rum,logs --for 365d`,
		Args: takes(1, 1),
		PreRunE: func(c *cobra.Command, _ []string) error {
			if err := need(c, "rights", "for"); err != nil {
				return err
			}
			if rights != "read" && rights != "write" && rights != "feed" {
				return usageError{fmt.Errorf("--rights %q is not read, write or feed (see %s --help)", rights, c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			now := time.Now()
			made, shown, err := admin.NewToken(args[0], rights, now.Add(lasts.d), feeds...)
			if err != nil {
				return err
			}
			err = t.change(func(list []admin.Token) ([]admin.Token, error) {
				list = slices.DeleteFunc(list, func(x admin.Token) bool { return x.Name == args[0] && !now.Before(x.Expires) })
				if slices.ContainsFunc(list, func(x admin.Token) bool { return x.Name == args[0] }) {
					return nil, fmt.Errorf("there is a token called %s (shunt token revoke %s ends it)", args[0], args[0])
				}
				return append(list, made), nil
			})
			if err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), tokenAnswer{made.Name, rights, made.SpeaksFor(), made.Expires, false, shown}, func() {
				fmt.Fprintln(c.OutOrStdout(), shown)
				fmt.Fprintf(c.ErrOrStderr(), "%s may %s until %s; the token is shown this once\n", made.Name, mayDo(made), stamp(made.Expires))
			})
		},
	}
	cmd.Flags().StringVar(&rights, "rights", "", "what its bearer may do: read, write, or feed: only say how pools are (required)")
	cmd.Flags().StringSliceVar(&feeds, "feeds", nil, "`feeds` that one with the right to feed speaks for, as rum,logs (default the one called NAME)")
	cmd.Flags().Var(&lasts, "for", "`duration` until it ends, as 90d; at most 398d (required)")
	return cmd
}

// mayDo says what the bearer of x may do.
func mayDo(x admin.Token) string {
	if feeds := x.SpeaksFor(); len(feeds) > 0 {
		return x.Rights.String() + " as " + strings.Join(feeds, ", ")
	}
	return x.Rights.String()
}

func newTokenList(t *tokens) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show the tokens there are",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := t.find(); err != nil {
				return err
			}
			list, err := admin.ReadTokens(t.file)
			if err != nil {
				return err
			}
			out := []tokenAnswer{}
			rows := [][]string{{"TOKEN", "RIGHTS", "ENDS"}}
			for _, x := range list {
				left := time.Until(x.Expires)
				out = append(out, tokenAnswer{Name: x.Name, Rights: x.Rights.String(), Feeds: x.SpeaksFor(), Expires: x.Expires, Ended: left <= 0})
				rows = append(rows, []string{x.Name, mayDo(x), ends(left)})
			}
			return t.print(c.OutOrStdout(), out, func() {
				if len(out) == 0 {
					fmt.Fprintln(c.OutOrStdout(), "no tokens")
					return
				}
				table(c.OutOrStdout(), rows)
			})
		},
	}
}

func newTokenRevoke(t *tokens) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a token, and who is logged in with it, within a second",
		Args:  takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			err := t.change(func(list []admin.Token) ([]admin.Token, error) {
				left := slices.DeleteFunc(slices.Clone(list), func(x admin.Token) bool { return x.Name == args[0] })
				if len(left) == len(list) {
					return nil, fmt.Errorf("there is no token called %s in %s", args[0], t.file)
				}
				return left, nil
			})
			if err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), struct{}{}, func() { fmt.Fprintf(c.OutOrStdout(), "%s is revoked\n", args[0]) })
		},
	}
}
