package resolver

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

// TestCookieVectors holds the exchanges of RFC 9018 Appendix A: each line is
// one query and the cookie that its reply must carry.
func TestCookieVectors(t *testing.T) {
	const (
		first  = "e5e973e5a6b2a43f48e7dc849e37bfcf"
		rolled = "dd3bdf9344b678b185a6f5cb60fca715"
		newest = "445536bcd2513298075a5d379663c962"
	)
	for _, v := range []struct {
		name        string
		key, oldKey string
		client      string
		now         int64
		query       string // client cookie, then the server's
		reply       string // server cookie
		valid       bool
	}{
		{"A.1 a new client", first, first, "198.51.100.100", 1559731985,
			"2464c4abcf10c957", "010000005cf79f111f8130c3eee29480", false},
		{"A.2 the same, 40 minutes later", first, first, "198.51.100.100", 1559734385,
			"2464c4abcf10c957010000005cf79f111f8130c3eee29480", "010000005cf7a871d4a564a1442aca77", true},
		{"A.3 another, reserved octets not zero", first, first, "203.0.113.203", 1559727985,
			"fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "01abcdef5cf78f71a314227b6679ebf5", true},
		{"A.3 and later", first, first, "203.0.113.203", 1559734700,
			"fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "010000005cf7a9acf73a7810aca2381e", false},
		{"A.4 IPv6, of the secret before", newest, rolled, "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
			"22681ab97d52c298010000005cf7c57926556bd0934c72f8", "010000005cf7c609a6bb79d16625507a", true},
	} {
		query, _ := hex.DecodeString(v.query)
		e := edns{cookie: true, client: query[:8], server: query[8:]}
		s := settings{key: keyOf(v.key), oldKey: keyOf(v.oldKey)}
		got, valid := s.checkCookie(&e, netip.MustParseAddr(v.client), time.Unix(v.now, 0))
		if hex.EncodeToString(got[:]) != v.reply || valid != v.valid {
			t.Errorf("%s: %x, valid %v; want %s, valid %v", v.name, got, valid, v.reply, v.valid)
		}
	}
}

func keyOf(secret string) cookieKey {
	b, _ := hex.DecodeString(secret)
	return newCookieKey([16]byte(b))
}
