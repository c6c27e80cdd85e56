package resolver

// The names of class CH that servers answer (RFC 4892), in wire form and lower
// case.
const (
	idServer     = "\x02id\x06server\x00"
	hostnameBind = "\x08hostname\x04bind\x00"
)

// chaos answers a question of class CH:
//
//	id.server, hostname.bind   TXT or ANY, with the name that NSID has
//	version.bind and the rest  REFUSED: nobody needs to know
//
// AA stays clear, as Knot and NSD have it: no zone of ours holds these names.
func (x *exchange) chaos() {
	name := string(x.q.name) == idServer || string(x.q.name) == hostnameBind
	asked := x.q.qtype == typeTXT || x.q.qtype == typeANY
	if !name || !asked || len(x.set.nsid) == 0 {
		x.fail(rcodeRefused, edeNone)
		return
	}
	n := len(x.set.nsid)
	x.msg = append(x.msg, 0xc0, headerLen, 0, typeTXT, 0, classCH, 0, 0, 0, 0, 0, byte(n+1), byte(n))
	x.msg = append(x.msg, x.set.nsid...)
	x.msg[7] = 1
}
