package config

// The raw form is the file as it was written: text with line numbers, nothing
// understood yet. Tags name the keys. The walk in yaml.go fills it, the
// typed form is made from it, and then it is forgotten.

// A scalar is one value as written and where it stands. The zero scalar is a
// key that was left out.
type scalar struct {
	text string
	line int32  // from 1; 0: the key was left out, or stands elsewhere
	bad  bool   // there is something, but no value; it has been reported
	from source // where it was written when not in the file
}

// set reports whether there is a value.
func (s scalar) set() bool { return !s.bad && !s.missing() }

// missing reports whether the key was left out.
func (s scalar) missing() bool { return s.line == 0 && s.from == "" }

// A source names what overrode a key of the file, as "SHUNT_NODE_NAME".
type source string

// rawLists are the lists of the file, which may be long. Services stay YAML
// until their zone is checked, because there may be a million.
type rawLists struct {
	Monitors []rawMonitor `key:"monitors"`
	Pools    []rawPool    `key:"pools"`
	Policies []rawPolicy  `key:"policies"`
	Zones    []rawZone    `key:"zones"`
	Drills   []rawDrill   `key:"drills"`
	Feeds    []rawFeed    `key:"feeds"`

	Providers []rawProvider `key:"providers"`
	Taps      []rawTap      `key:"taps"`
	Alerts    []rawAlert    `key:"alerts"`

	Keys        []rawKey       `key:"keys"`
	Secondaries []rawSecondary `key:"secondaries"`
}

// The Line of a mapping is 0 where something else stands in its place, which
// has been reported.
type rawMonitor struct {
	Line int32

	Name  scalar   `key:"name"`
	HTTPS *rawHTTP `key:"https"`
	HTTP  *rawHTTP `key:"http"`
	TLS   *rawTLS  `key:"tls"`
	TCP   *rawTCP  `key:"tcp"`
	DNS   *rawDNS  `key:"dns"`
	ICMP  *rawICMP `key:"icmp"`

	Interval    scalar `key:"interval"`
	Timeout     scalar `key:"timeout"`
	Recheck     scalar `key:"recheck"`
	Watch       scalar `key:"watch"`
	Fall        scalar `key:"fall"`
	Rise        scalar `key:"rise"`
	Window      scalar `key:"window"`
	WindowFall  scalar `key:"window_fall"`
	HoldDown    scalar `key:"hold_down"`
	HoldDownMax scalar `key:"hold_down_max"`
}

type rawHTTP struct {
	Line int32

	Host            scalar   `key:"host"`
	Port            scalar   `key:"port"`
	Path            scalar   `key:"path"`
	Method          scalar   `key:"method"`
	Status          []scalar `key:"status"`
	Body            scalar   `key:"body"`
	Headers         []scalar `key:"headers"`
	RequestHeaders  []scalar `key:"request_headers"`
	FollowRedirects scalar   `key:"follow_redirects"`
	KeepAlive       scalar   `key:"keep_alive"`
	Resume          scalar   `key:"resume"`
	RootCAs         scalar   `key:"root_cas"`
	CertWarn        scalar   `key:"cert_warn"`
}

type rawTLS struct {
	Line int32

	Host     scalar `key:"host"`
	Port     scalar `key:"port"`
	RootCAs  scalar `key:"root_cas"`
	CertWarn scalar `key:"cert_warn"`
}

type rawTCP struct {
	Line int32

	Port   scalar `key:"port"`
	Send   scalar `key:"send"`
	Expect scalar `key:"expect"`
}

type rawDNS struct {
	Line int32

	Name   scalar `key:"name"`
	Type   scalar `key:"type"`
	Port   scalar `key:"port"`
	Expect scalar `key:"expect"`
}

type rawICMP struct {
	Line int32
}

type rawPool struct {
	Line int32

	Name      scalar   `key:"name"`
	Operator  scalar   `key:"operator"`
	CNAME     scalar   `key:"cname"`
	Addresses []scalar `key:"addresses"`
	Monitors  []scalar `key:"monitors"`
	UpIf      scalar   `key:"up_if"`
	Origin    scalar   `key:"origin"`

	Jurisdiction []scalar     `key:"jurisdiction"`
	MaxShare     scalar       `key:"max_share"`
	Location     scalar       `key:"location"`
	Failback     *rawFailback `key:"failback"`
	ManualAfter  scalar       `key:"manual_after"`
	HTTPS        *rawBinding  `key:"https"`
}

type rawZone struct {
	Line int32

	Name     scalar   `key:"name"`
	File     scalar   `key:"file"`
	NS       []scalar `key:"ns"`
	Max      scalar   `key:"max_records"`
	Services deferred `key:"services"`
}

type rawService struct {
	Line int32

	Name    scalar      `key:"name"`
	Pools   []rawChoice `key:"pools"`
	Policy  scalar      `key:"policy"`
	TTL     scalar      `key:"ttl"`
	TTLMin  scalar      `key:"ttl_min"`
	Flatten scalar      `key:"flatten"`
	Ramp    *rawRamp    `key:"ramp"`
	Moves   scalar      `key:"moves"`
}

// A rawChoice is written as a pool's name alone, or as a mapping: a pool or a
// policy, and what is said of it.
type rawChoice struct {
	Line int32

	Pool       scalar `key:"pool" alone:"true"`
	Policy     scalar `key:"policy"`
	Weight     scalar `key:"weight"`
	LastResort scalar `key:"last_resort"`
}

// rawSettings are the single keys of the file, after viper has laid
// environment and flags over them. Everything is text still.
type rawSettings struct {
	Node struct {
		Name     *string `key:"name"`
		StateDir string  `key:"state_dir"`
		User     string  `key:"user"`
		Log      struct {
			Format string `key:"format"`
			Level  string `key:"level"`
		} `key:"log"`
	} `key:"node"`
	Listen struct {
		DNS     []string `key:"dns"`
		DoT     []string `key:"dot"`
		DoH     []string `key:"doh"`
		DoHPath string   `key:"doh_path"`
		TLS     struct {
			Certificate string `key:"certificate"`
			Key         string `key:"key"`
		} `key:"tls"`
		Control string   `key:"control"`
		Web     []string `key:"web"`
		Tokens  string   `key:"tokens"`
	} `key:"listen"`
	DNS struct {
		NSID             *string `key:"nsid"`
		UDPSize          string  `key:"udp_size"`
		Cookies          string  `key:"cookies"`
		CookieSecretFile string  `key:"cookie_secret_file"`
		TCP              struct {
			Connections string `key:"connections"`
			PerClient   string `key:"per_client"`
			Idle        string `key:"idle"`
			Queries     string `key:"queries"`
			MessageSize string `key:"message_size"`
		} `key:"tcp"`
		RateLimit struct {
			Responses  string   `key:"responses"`
			Slip       string   `key:"slip"`
			IPv4Prefix string   `key:"ipv4_prefix"`
			IPv6Prefix string   `key:"ipv6_prefix"`
			Exempt     []string `key:"exempt"`
		} `key:"rate_limit"`
	} `key:"dns"`
	Resolvers []string `key:"resolvers"`
	Vantage   struct {
		Controls []string `key:"controls"`
	} `key:"vantage"`
	Safety struct {
		AtLeast   string    `key:"at_least"`
		MaxRemove string    `key:"max_remove"`
		Rules     []rawRule `key:"rules"` // not for viper: kept by the reader
	} `key:"safety"`
	Places struct {
		Databases []string `key:"databases"`
		Networks  string   `key:"networks"`
	} `key:"places"`
	Transfer struct {
		Serial  string   `key:"serial"`
		Content string   `key:"content"`
		Allow   []string `key:"allow"`
		Catalog string   `key:"catalog"`
		Behind  string   `key:"behind"`
		Journal string   `key:"journal"`
	} `key:"transfer"`
	Traces struct {
		Endpoint    string `key:"endpoint"`
		Sample      string `key:"sample"`
		HeadersFile string `key:"headers_file"`
	} `key:"traces"`
}
