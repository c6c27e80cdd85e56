package controller

import (
	"net/netip"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A savedContent is what secondaries and providers were told that a service
// holds. While its host names do not resolve after a restart, they are told so
// again, and not that the service is empty.
type savedContent struct {
	Pool  string         `json:"pool"`
	Addrs []netip.Addr   `json:"addrs"`
	HTTPS config.Binding `json:"https,omitzero"`
	Host  string         `json:"host,omitempty"`
}

// consumed reports whether anybody takes contents from a node with cfg.
func consumed(cfg *config.Config) bool { return cfg.Transfers() || len(cfg.Providers) > 0 }

// saveContents returns the contents of services that may have nothing to
// answer with after a restart, by the name of one of each group: those whose
// host names are resolved.
func (c *Controller) saveContents() map[string]savedContent {
	cfg := c.loaded.Config
	if !consumed(cfg) {
		return nil
	}
	out := map[string]savedContent{}
	for _, g := range c.groups {
		if !g.service.Flatten {
			continue
		}
		if v, ok := g.last.Content(&g.service, cfg.Transfer.Content); ok {
			out[g.service.Name] = savedContent{v.Pool, v.Addrs, v.HTTPS, v.Host}
		}
	}
	return out
}

// recallContents gives groups the contents that their services had in the
// process before.
func (c *Controller) recallContents(saved map[string]savedContent) {
	for name, s := range saved {
		at := c.loaded.Set.Group(name)
		if at < 0 || c.groups[at].last != nil {
			continue
		}
		c.groups[at].last = zone.Pack([]zone.Variant{{Pool: s.Pool, Weight: 1, Addrs: s.Addrs, HTTPS: s.HTTPS, Host: s.Host}})
	}
}

// inheritContents has groups that nobody inherited, as one that a new service
// was put in front of, keep the contents that their services had in before.
func (c *Controller) inheritContents(before []*group) {
	for _, was := range before {
		at := c.loaded.Set.Group(was.service.Name)
		if at >= 0 && c.groups[at].last == nil {
			c.groups[at].last = was.last
		}
	}
}
