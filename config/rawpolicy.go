package config

// The raw form of policies, places, ramps and rules: see raw.go.

type rawPolicy struct {
	Line int32

	Name  scalar      `key:"name"`
	Pools []rawChoice `key:"pools"`
	Chain []rawFilter `key:"chain"`
}

// A rawFilter is written as its kind alone, or as a mapping of the one key
// that is its kind.
type rawFilter struct {
	Line int32
	Kind scalar `alone:"true"`

	Healthy  *rawHealthy `key:"healthy"`
	Fence    *rawFence   `key:"fence"`
	Prefer   *rawPrefer  `key:"prefer"`
	Nearest  *rawBare    `key:"nearest"`
	Fastest  *rawFastest `key:"fastest"`
	Weighted *rawBare    `key:"weighted"`
	Sticky   *rawBare    `key:"sticky"`
	Shuffle  *rawBare    `key:"shuffle"`
	Capacity *rawBare    `key:"capacity"`
	KeepWarm scalar      `key:"keep_warm"`
	First    scalar      `key:"first"`
	All      *rawBare    `key:"all"`
}

// A rawBare is a filter that has no options.
type rawBare struct {
	Line int32
}

type rawHealthy struct {
	Line int32

	Unknown scalar `key:"unknown"`
	MinUp   scalar `key:"min_up"`
}

type rawFence struct {
	Line int32

	Clients      []scalar `key:"clients"`
	Jurisdiction []scalar `key:"jurisdiction"`
	Otherwise    scalar   `key:"otherwise"`
}

type rawPrefer struct {
	Line int32

	By         []scalar       `key:"by"`
	Map        scalar         `key:"map"`
	Lists      []rawPlaceList `key:"lists"`
	Default    []scalar       `key:"default"`
	LastResort []scalar       `key:"last_resort"`
	Skip       scalar         `key:"skip"`
}

// A rawPlaceList is an item of a map file, or of prefer.lists.
type rawPlaceList struct {
	Line int32

	Places     []scalar `key:"places"`
	Pools      []scalar `key:"pools"`
	Default    []scalar `key:"default"`
	LastResort []scalar `key:"last_resort"`
}

type rawFastest struct {
	Line int32

	Margin scalar `key:"margin"`
	For    scalar `key:"for"`
}

// A rawFailback is written as a mode alone, or with how long to wait.
type rawFailback struct {
	Line int32
	Mode scalar `alone:"true"`

	After scalar `key:"after"`
}

type rawBinding struct {
	Line int32

	ALPN    []scalar `key:"alpn"`
	Port    scalar   `key:"port"`
	ECHFile scalar   `key:"ech_file"`
	Hints   scalar   `key:"hints"`
	Alias   scalar   `key:"alias"`
}

type rawRamp struct {
	Line int32

	Steps []scalar `key:"steps"`
	Every scalar   `key:"every"`
	On    scalar   `key:"on"`
}

type rawRule struct {
	Line int32

	Name    scalar   `key:"name"`
	AtLeast scalar   `key:"at_least"`
	Gate    []scalar `key:"gate"`
	Pools   []scalar `key:"pools"`
}

// A rawDrill is a practice run.
type rawDrill struct {
	Line int32

	Name     scalar   `key:"name"`
	Pools    []scalar `key:"pools"`
	Services []scalar `key:"services"`
	For      scalar   `key:"for"`
	Share    scalar   `key:"share"`
	Schedule scalar   `key:"schedule"`
	TimeZone scalar   `key:"time_zone"`
	Windows  []scalar `key:"windows"`
	Blocked  []scalar `key:"blocked_dates"`
	AbortIf  []scalar `key:"abort_if"`
	Reason   scalar   `key:"reason"`
}

// A rawNetwork is an item of the file that places.networks names.
type rawNetwork struct {
	Line int32

	Network     scalar `key:"network"`
	Continent   scalar `key:"continent"`
	Country     scalar `key:"country"`
	Subdivision scalar `key:"subdivision"`
	ASN         scalar `key:"asn"`
	Location    scalar `key:"location"`
}
