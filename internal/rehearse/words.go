package rehearse

// A Plane is the layer that a fault strikes.
type Plane string

// The planes.
const (
	EdgeHTTP   Plane = "edge-http"   // what the edges answer
	EdgeTLS    Plane = "edge-tls"    // their handshakes
	EdgeDNS    Plane = "edge-dns"    // the resolution of the pool's host name
	Origin     Plane = "origin"      // the site behind the edges
	API        Plane = "api"         // the operator's API
	Console    Plane = "console"     // its console
	StatusPage Plane = "status-page" // its status page
	AuthDNS    Plane = "authdns"     // the servers of a DNS provider
	Resolver   Plane = "resolver"    // the recursive servers that a node asks
	Vantage    Plane = "vantage"     // a node's own view of the world
	Node       Plane = "controller"  // a node itself: its process, configuration or clock
)

// planes are the planes, and which targets they make sense for.
func planes() map[Plane][]role {
	paths, dns := []role{rolePool}, []role{roleProvider}
	return map[Plane][]role{
		EdgeHTTP: paths, EdgeTLS: paths, EdgeDNS: paths, Origin: paths,
		API: append(paths, dns...), Console: append(paths, dns...), StatusPage: append(paths, dns...),
		AuthDNS: dns, Resolver: {roleVantage}, Vantage: {roleVantage, rolePool}, Node: {roleNode},
	}
}

// A role is what a target stands for.
type role string

const (
	rolePool     role = "a pool (cdn-a, cdn-b, … or org)"
	roleNode     role = "a node (ns1, ns2, …)"
	roleVantage  role = "a vantage (v1, v2, …)"
	roleProvider role = "a DNS provider (dnsp-a, dnsp-b, …)"
)

// A Kind is what a fault looks like.
type Kind string

// The kinds of fault.
const (
	HTTPStatus     Kind = "http_status"
	Timeout        Kind = "timeout"
	Refuse         Kind = "refuse"
	Reset          Kind = "reset"
	TLS            Kind = "tls"
	ServFail       Kind = "servfail"
	NXDomain       Kind = "nxdomain"
	NoData         Kind = "nodata"
	DNSTimeout     Kind = "dns_timeout"
	WrongBody      Kind = "wrong_body"
	Challenge      Kind = "challenge"
	Latency        Kind = "latency"
	SizeLimit      Kind = "size_limit"
	StaleOK        Kind = "stale_ok"
	API5xx         Kind = "api_5xx"
	APIHang        Kind = "api_hang"
	LoginDown      Kind = "login_down"
	NotApplied     Kind = "accepted_not_applied"
	BadGeneration  Kind = "bad_generation"
	Partial        Kind = "partial_inventory"
	OversizeConfig Kind = "oversize_config"
	ClockStep      Kind = "clock_step"
	NoFault        Kind = "none"
)

// A param is one key of a fault beside its kind.
type param string

const (
	pStatus  param = "status"          // HTTP status
	pMS      param = "ms"              // milliseconds
	pBytes   param = "bytes"           // octets
	pShare   param = "when_share_over" // only while the target answers more than this share
	pKeep    param = "keep"            // share of the inventory that is left
	pStep    param = "by"              // how far the clock steps
	pCrash   param = "crash_after"
	pHold    param = "hold_generation"
	pRelease param = "release_after"
	pApply   param = "apply_generation"
	pGC      param = "then_gc_older_than"
	pNote    param = "note"
)

// kinds are the kinds of fault with their keys; a key that must be there has
// true.
func kinds() map[Kind]map[param]bool {
	none := map[param]bool{}
	status := map[param]bool{pStatus: true}
	maybe := map[param]bool{pStatus: false}
	return map[Kind]map[param]bool{
		HTTPStatus: status, Timeout: none, Refuse: none, Reset: none, TLS: none, ServFail: none, NXDomain: none,
		NoData: none, DNSTimeout: none, WrongBody: none, Challenge: maybe, Latency: {pMS: true},
		SizeLimit: {pBytes: true}, StaleOK: none, API5xx: maybe, APIHang: none, LoginDown: none, NotApplied: none,
		BadGeneration:  {pHold: false, pRelease: false, pApply: false, pGC: false},
		Partial:        {pKeep: true},
		OversizeConfig: {pCrash: false}, ClockStep: {pStep: true}, NoFault: none,
	}
}

// standard is what the word N0 stands for in a list of never-rules.
func standard() []string {
	return []string{"empty_answer", "nxdomain_for_existing_name", "servfail_while_state_valid",
		"steer_into_down_target_when_up_exists", "call_failing_provider_api_in_steering_path",
		"transitions_over_budget", "crash"}
}
