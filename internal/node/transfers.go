package node

import (
	"fmt"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// transfers makes what hands zones to secondaries; the server turns to it for
// what needs keys.
func (n *Node) transfers(cfg *config.Config) (err error) {
	n.primary, err = xfr.New(cfg, xfr.Deps{Dir: cfg.Node.StateDir, Log: n.opts.Log, Event: n.say, Transferred: n.transferred})
	if err != nil {
		return fmt.Errorf("transfers: %w", err)
	}
	n.dns.SetAside(n.primary)
	return nil
}

// behind lists the secondaries that are behind, as conditions.
func (n *Node) behind() (list []controller.Condition) {
	for _, c := range n.primary.Conditions() {
		list = append(list, controller.Condition(c))
	}
	return list
}
