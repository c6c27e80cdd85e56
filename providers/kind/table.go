package kind

import (
	"fmt"

	"github.com/shunt-dns/shunt/config"
)

// An Opener makes the provider of an account. It does not speak to it: what is
// wrong with credentials shows at the first call.
type Opener func(config.Account) (Provider, error)

// A Row is a kind of provider and who opens it.
type Row struct {
	Kind string
	Open Opener
}

// Table returns the kinds that are built in, in the order of
// [config.ProviderKinds], which says what their accounts are told.
func Table() []Row {
	return []Row{
		{"rfc2136", newRFC2136},
		{"powerdns", newPowerDNS},
		{"cloudflare", newCloudflare},
		{"route53", newRoute53},
		{"googleclouddns", newGoogleCloudDNS},
		{"azure", newAzure},
		{"ovh", newOVH},
		{"scaleway", newScaleway},
		{"hetzner", newHetzner},
		{"gandi", newGandi},
		{"desec", newDeSEC},
		{"bunny", newBunny},
		{"digitalocean", newDigitalOcean},
	}
}

// Open makes the provider that p describes. Custom are the modules of the
// user's own build, by name; it may be nil.
func Open(p config.Provider, custom map[string]Opener) (Provider, error) {
	open, what := Opener(nil), p.Kind
	if p.Kind == config.Custom {
		what = p.Account.Module()
		open = custom[what]
	}
	for _, row := range Table() {
		if row.Kind == p.Kind {
			open = row.Open
		}
	}
	if open == nil {
		return nil, fmt.Errorf("this build has no module %q (see docs/beside-your-providers.md for how to build one that has)", what)
	}
	opened, err := open(p.Account)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Kind, err)
	}
	return opened, nil
}
