package config

import "time"

// A Provider is an account at a DNS provider whose zones are kept in step with
// what we answer.
type Provider struct {
	Name    string
	Kind    string  // one of ProviderKinds, or "custom"
	Account Account // what the kind is told

	Zones []string // origins, fully qualified; empty: all
	Only  []string // services that are pushed, fully qualified; empty: all of Zones
	Adopt []string // names that are taken over although records of others stand there, fully qualified; "*": all services
	Owner string   // what our records are marked with; nodes that share one look after the same records; default shunt

	Content   Content       // of steered names; default one
	TTLMin    time.Duration // no record goes out with less; 0 (default): as the provider's own floor is
	Changes   int           // names that one run may change without --force; 1–1,000,000, default 100,000: a failover may move them all
	Deletes   int           // names that one run may delete without --force; default 10
	Drift     Drift         // what happens to what others changed; default repair
	Every     time.Duration // how often it is looked for; 1m–1 day, default 10m
	Servers   []string      // authoritative servers to verify by, host:port; empty: those that the zone's NS records name
	VerifyFor time.Duration // how long the servers may take to serve a push; default 2m
}

// An Account is what a kind of provider is told of an account, by the keys of
// its row in ProviderKinds.
type Account struct {
	Endpoint string            // base URL, or host:port for rfc2136; "": the vendor's
	Values   map[string]string // as project, region; the settings of a custom module
	Secrets  map[string]Secret // as token; Load reads them from files, or the environment has them
	Files    map[string]string // absolute, of the secrets that stand in files
}

// Module returns the name of a custom provider's module.
func (a Account) Module() string { return a.Values["module"] }

// Drift says what happens to a record of ours that somebody else changed.
type Drift string

// The policies on drift.
const (
	RepairDrift Drift = "repair" // it is written again
	ReportDrift Drift = "report" // it is shown, and an alarm
)
