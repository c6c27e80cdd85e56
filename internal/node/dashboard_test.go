package node

import (
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/alert"
	"github.com/shunt-dns/shunt/internal/dashboard"
	"github.com/shunt-dns/shunt/providers"
	"github.com/shunt-dns/shunt/resolver/xfr"
)

// What the dashboard says of servers elsewhere.
func TestRemote(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want dashboard.Remote }{
		{secondary(xfr.Secondary{Name: "ns2", State: "in step", Since: &at, Zones: 3}), dashboard.Remote{Kind: "secondary", Name: "ns2", What: "3 zones", State: "in step", Level: "good", Since: at}},
		{secondary(xfr.Secondary{Name: "ns2", State: "behind", Zones: 1, Lag: 90.4, Error: "refused"}), dashboard.Remote{Kind: "secondary", Name: "ns2", What: "1 zone", State: "behind", Level: "bad", Lag: "1m30s", Why: "refused"}},
		{secondary(xfr.Secondary{Name: "ns2", State: "unknown"}), dashboard.Remote{Kind: "secondary", Name: "ns2", What: "0 zones", State: "unknown", Level: "warn"}},
		{provider(providers.Status{Name: "cf", Kind: "cloudflare", State: providers.InStep, Since: at, Verified: 6}, 7), dashboard.Remote{Kind: "provider", Name: "cf", What: "cloudflare", State: "in step", Level: "good", Since: at}},
		{provider(providers.Status{Name: "cf", Kind: "cloudflare", State: providers.Pending, Names: 9, Waiting: 2, Verified: 6}, 7), dashboard.Remote{Kind: "provider", Name: "cf", What: "cloudflare", State: "pending", Level: "warn", Lag: "2 of 9 names wait; serves generation 6"}},
		{provider(providers.Status{Name: "cf", Kind: "cloudflare", State: providers.Denied, Verified: 6, Why: "401"}, 7), dashboard.Remote{Kind: "provider", Name: "cf", What: "cloudflare", State: "denied", Level: "bad", Lag: "serves generation 6", Why: "401"}},
		{route(alert.Status{Name: "duty", Kind: "slack", State: "idle", Sent: &at}), dashboard.Remote{Kind: "alerts", Name: "duty", What: "slack", State: "idle", Level: "good"}},
		{route(alert.Status{Name: "duty", Kind: "slack", State: "failing", Since: &at, Pending: 3, Why: "503"}), dashboard.Remote{Kind: "alerts", Name: "duty", What: "slack", State: "failing", Level: "bad", Since: at, Lag: "3 not told yet", Why: "503"}},
	} {
		if c.got != c.want {
			t.Errorf("%+v,\nwant %+v", c.got, c.want)
		}
	}
}
