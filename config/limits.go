package config

import "time"

// The limits of one configuration. What goes past one is answered with a
// [Problem] that names the limit, never with a crash and never by leaving
// something out: the old configuration serves on.
//
//	what                                    limit
//	the file                                16 MiB, looked at before it is read
//	separators (, : - [ { ?) of values      1,000,000; services of a line each do not count
//	values after aliases are followed       16,777,216
//	nesting of merge keys                   8
//	monitors                                10,000
//	pools                                   10,000
//	addresses of a pool                     64
//	monitors of a pool                      16
//	zones                                   100,000
//	name servers of a zone                  16
//	services, over all zones                1,000,000
//	pools of a service or policy            64
//	policies                                1,000
//	policies inside policies                8 deep
//	pools that those of a policy lead to    1,000, each as often as it is met
//	places of a map, networks of places     100,000
//	other lists (status, headers, …)        64
//	one value                               4,096 octets
//	changes of a zone for IXFR              10,000
//	records of a zone                       max_records, 2,000,000 unless set; at most 20,000,000
//	problems reported                       1,000; a last one says how many more there are
const (
	MaxFile         = 16 << 20
	MaxMonitors     = 10_000
	MaxPools        = 10_000
	MaxAddresses    = 64
	MaxPoolMonitors = 16
	MaxZones        = 100_000
	MaxNS           = 16
	MaxServices     = 1_000_000
	MaxChoices      = 64
	MaxPolicies     = 1000
	MaxMoves        = 3600
	MaxNesting      = 8
	MaxNested       = 1000
	MaxPlaces       = 100_000
	MaxList         = 64
	MaxValue        = 4096
	MaxRecords      = 20_000_000
	MaxWeight       = 1_000_000
	MaxProblems     = 1000

	maxSlow   = 1_000_000 // separators handed to the YAML parser: 300 to 600 octets of memory each
	maxVisits = 16 << 20  // values looked at while aliases are followed
	maxMerge  = 8         // merge keys inside merge keys
)

// What a monitor has unless it says otherwise.
const (
	defaultInterval    = 5 * time.Second
	defaultTimeout     = 3 * time.Second
	defaultRecheck     = 100 * time.Millisecond
	defaultFall        = 3
	defaultRise        = 5
	defaultWindow      = 10
	defaultWindowFall  = 0.5
	defaultHoldDown    = 5 * time.Minute
	defaultHoldDownMax = time.Hour
	defaultCertWarn    = 14 * day
)

// What a service and a zone have unless they say otherwise.
const (
	defaultTTL        = 30 * time.Second
	defaultMaxRecords = 2_000_000
)

// What a provider has unless it says otherwise, and the most of it.
const (
	defaultChanges    = 100_000
	defaultDeletes    = 10
	defaultDriftEvery = 10 * time.Minute
	defaultVerifyFor  = 2 * time.Minute

	MaxChanges = 1_000_000
	MaxJournal = 10_000
)

const day = 24 * time.Hour

// listLimit returns how many items the list at p may have.
func listLimit(p path) int {
	if p.up == nil {
		switch p.key {
		case "monitors":
			return MaxMonitors
		case "pools":
			return MaxPools
		case "zones":
			return MaxZones
		case "policies":
			return MaxPolicies
		case "": // of a file of its own: a map, or networks
			return MaxPlaces
		}
	}
	switch p.key {
	case "lists", "places", "clients", "only", "adopt", "zones":
		return MaxPlaces
	case "monitors":
		return MaxPoolMonitors
	case "ns":
		return MaxNS
	}
	return MaxList
}
