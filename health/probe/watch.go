package probe

import (
	"net/netip"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A Hint names an endpoint whose watched connection has ended: its server was
// stopped or killed, a balancer in between was, or it has merely closed what
// was idle. It says that now is a good time for a probe, and nothing of health.
type Hint struct {
	Monitor string
	Addr    netip.Addr
}

// sweepEvery is how often a Watch looks for connections of endpoints that are
// no longer probed.
const sweepEvery = 10 * time.Second

// A watched connection lies idle between two probes of its endpoint.
type watched struct {
	set   *idleConns
	addr  netip.Addr
	c     *conn
	until time.Time // no probe has come for it by then
}

// watchable reports whether m's kind of check leaves a connection that could
// be watched.
func watchable(m config.Monitor) bool {
	switch m.Kind {
	case config.HTTPS, config.HTTP, config.TLS, config.TCP_:
		return true
	}
	return false
}
