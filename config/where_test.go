package config

import (
	"net/netip"
	"testing"
)

func TestParseWhere(t *testing.T) {
	for _, c := range []struct {
		text string
		want Where // the zero value: a mistake
	}{
		{"DE", Where{Kind: Country, Code: "DE"}},
		{"NO", Where{Kind: Country, Code: "NO"}},
		{"XK", Where{Kind: Country, Code: "XK"}},
		{"AS", Where{Kind: Country, Code: "AS"}},
		{"NA", Where{Kind: Country, Code: "NA"}},
		{"EU", Where{Kind: Union, Code: "EU"}},
		{"continent:EU", Where{Kind: Continent, Code: "EU"}},
		{"continent:AS", Where{Kind: Continent, Code: "AS"}},
		{"US-CA", Where{Kind: Subdivision, Code: "US-CA"}},
		{"GB-ENG", Where{Kind: Subdivision, Code: "GB-ENG"}},
		{"AT-9", Where{Kind: Subdivision, Code: "AT-9"}},
		{"AS64500", Where{Kind: ASN, ASN: 64500}},
		{"AS4294967295", Where{Kind: ASN, ASN: 4294967295}},
		{"192.0.2.0/24", Where{Kind: Network, Network: netip.MustParsePrefix("192.0.2.0/24")}},
		{"192.0.2.1", Where{Kind: Network, Network: netip.MustParsePrefix("192.0.2.1/32")}},
		{"2001:db8::/32", Where{Kind: Network, Network: netip.MustParsePrefix("2001:db8::/32")}},
		{"0.0.0.0/0", Where{Kind: Network, Network: netip.MustParsePrefix("0.0.0.0/0")}},
		{"", Where{}}, {"de", Where{}}, {"UK", Where{}}, {"XX", Where{}}, {"DEU", Where{}}, {"US-", Where{}}, {"US-CALI", Where{}}, {"EU-DE", Where{}}, {"us-ca", Where{}},
		{"continent:", Where{}}, {"continent:DE", Where{}}, {"AS0", Where{}}, {"AS4294967296", Where{}}, {"as64500", Where{}},
		{"192.0.2.1/24", Where{}}, {"192.0.2.0/33", Where{}}, {"2001:db8::1%eth0", Where{}}, {"::ffff:192.0.2.0/120", Where{}},
	} {
		got, err := ParseWhere(c.text)
		if got != c.want || (err != nil) != (c.want == Where{}) {
			t.Errorf("%q → %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if back, err2 := ParseWhere(got.String()); err == nil && (err2 != nil || back != got) {
			t.Errorf("%q → %s → %+v, %v", c.text, got, back, err2)
		}
	}
}

// TestCountries counts what is known of the world.
func TestCountries(t *testing.T) {
	countries, union := map[string]int{}, 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string([]rune{a, b})
			in := ContinentOf(code)
			if in != "" && !isContinent(in) {
				t.Errorf("%s is in %q", code, in)
			}
			countries[in]++
			if InUnion(code) {
				union++
				if in != "EU" {
					t.Errorf("%s is in the union and in %q", code, in)
				}
			}
		}
	}
	all := 26*26 - countries[""]
	if all != 250 || union != 27 { // ISO 3166-1 and XK
		t.Errorf("%d countries, %d of them in the union: %v", all, union, countries)
	}
}

func FuzzParseWhere(f *testing.F) {
	for _, s := range []string{"DE", "US-CA", "EU", "continent:EU", "AS64500", "192.0.2.0/24", "::1", "continent:continent:EU", "uK"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWhere(text)
		if err != nil {
			return
		}
		if back, err := ParseWhere(w.String()); err != nil || back != w {
			t.Errorf("%q → %s → %+v, %v", text, w, back, err)
		}
	})
}
