package health

import "testing"

func TestVoid(t *testing.T) {
	const blind = "no control target answers"
	failure := func(c Class, status int) Result { return Result{Class: c, Status: status} }
	for _, c := range []struct {
		name   string
		r      Result
		w      Witness
		counts bool
	}{
		{"success", Result{OK: true}, Witness{}, true},
		{"success, blind", Result{OK: true}, Witness{Blind: blind}, false},
		{"timeout", failure(Network, 0), Witness{}, true},
		{"timeout, blind", failure(Network, 0), Witness{Blind: blind}, false},
		{"timeout, origin fails", failure(Network, 0), Witness{Origin: "o", OriginFails: true}, true},
		{"look-up, origin fails", failure(ProviderDNS, 2), Witness{Origin: "o", OriginFails: true}, true},
		{"edge 500, origin fails", failure(Edge5xx, 500), Witness{Origin: "o", OriginFails: true}, false},
		{"origin 502, origin fails", failure(Origin5xx, 502), Witness{Origin: "o", OriginFails: true}, false},
		{"status 503, origin fails", failure(Status, 503), Witness{Origin: "o", OriginFails: true}, false},
		{"edge 500, origin fails, fine elsewhere", failure(Edge5xx, 500), Witness{Origin: "o", OriginFails: true, Elsewhere: true}, true},
		{"status 404, origin fails", failure(Status, 404), Witness{Origin: "o", OriginFails: true}, true},
		{"edge 500, origin is fine", failure(Edge5xx, 500), Witness{Origin: "o"}, true},
		{"edge 500, no origin named", failure(Edge5xx, 500), Witness{OriginFails: true}, true},
		{"challenge, fine elsewhere", failure(Challenge, 403), Witness{Elsewhere: true}, true},
		{"challenge everywhere", failure(Challenge, 403), Witness{}, false},
		{"challenge by 503, origin fails", failure(Challenge, 503), Witness{Elsewhere: true, Origin: "o", OriginFails: true}, true},
	} {
		if why := Void(c.r, c.w); (why == "") != c.counts {
			t.Errorf("%s: void because %q, want counts %v", c.name, why, c.counts)
		}
	}
}
