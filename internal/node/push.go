package node

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/providers/kind"
)

// providersFolder is where, in the state directory, it is kept what providers
// were given.
const providersFolder = "providers"

// pushes makes what keeps DNS providers in step.
func (n *Node) pushes(cfg *config.Config) (err error) {
	n.providers, err = providers.New(cfg, providers.Deps{
		Dir:    filepath.Join(cfg.Node.StateDir, providersFolder),
		Custom: n.opts.Custom,
		Log:    n.opts.Log,
		Event:  n.say,
		Pushed: n.pushed,
	})
	return err
}

// unpushed lists what providers alarm about, as conditions.
func (n *Node) unpushed() (list []controller.Condition) {
	for _, c := range n.providers.Conditions() {
		list = append(list, controller.Condition(c))
	}
	return list
}

// checkProviders opens each provider as serve would, which speaks to nobody.
func checkProviders(cfg *config.Config, custom map[string]kind.Opener) config.Problems {
	var ps config.Problems
	for _, p := range cfg.Providers {
		if _, err := kind.Open(p, custom); err != nil {
			ps = append(ps, config.Problem{File: cfg.Path, Key: "providers[" + p.Name + "]." + p.Kind, What: strings.TrimPrefix(err.Error(), p.Kind+": ")})
		}
	}
	return ps
}

// vet refuses a reload with a provider that cannot be opened, and asks what is
// known of the configuration then.
func (n *Node) vet(cfg *config.Config, force bool) (settle func(taken bool), err error) {
	if ps := checkProviders(cfg, n.opts.Custom); len(ps) > 0 {
		return nil, ps
	}
	return n.opts.Known.vet(cfg, force)
}

// push runs the providers. It never ends the node.
func (n *Node) push(ctx context.Context) error {
	if err := n.providers.Run(ctx); err != nil {
		return fmt.Errorf("providers: %w", err)
	}
	return nil
}
