package health

// A Witness is what else was seen at the moment of a failure. It tells the
// failure of an endpoint from that of the vantage or of the site behind it.
type Witness struct {
	Blind       string // why the vantage is blind; "" when it sees
	Origin      string // pool that this one fetches from; "" when it names none
	OriginFails bool   // every endpoint of Origin fails the same check
	Elsewhere   bool   // the same check succeeds through another endpoint
}

// Void returns why r must not move a verdict, and "" when it counts. A void
// vote leaves a verdict where it is, also on its way down.
//
//	Blind  r                                   OriginFails  Elsewhere  r counts
//	yes    any                                 -            -          no: the vantage is blind
//	no     success                             -            -          yes
//	no     edge-5xx, origin-5xx, status ≥ 500  yes          no         no: no other CDN would do better
//	no     edge-5xx, origin-5xx, status ≥ 500  yes          yes        yes: another CDN does better, whatever the origin says
//	no     edge-5xx, origin-5xx, status ≥ 500  no           -          yes
//	no     challenge                           -            no         no: the prober itself may be blocked
//	no     challenge                           -            yes        yes: only this path is challenged
//	no     other failure                       -            -          yes
func Void(r Result, w Witness) string {
	switch {
	case w.Blind != "":
		return w.Blind
	case r.OK:
		return ""
	case r.Class == Challenge && !w.Elsewhere:
		return "challenged on every path: the prober itself may be blocked"
	case r.ServerError() && w.Origin != "" && w.OriginFails && !w.Elsewhere:
		return "its origin " + w.Origin + " fails the same check"
	}
	return ""
}

// ServerError reports whether r failed with a 5xx: an answer that a failing
// origin also causes.
func (r Result) ServerError() bool {
	switch r.Class {
	case Edge5xx, Origin5xx:
		return true
	case Status:
		return r.Status >= 500
	}
	return false
}
