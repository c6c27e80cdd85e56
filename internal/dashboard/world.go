package dashboard

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/shunt-dns/shunt/internal/controller"
)

// tiles is the world with a tile for each country, about where it lies. Some
// territories that hardly anybody asks from have none.
const tiles = `
.. .. .. .. .. .. .. GL .. .. IS .. .. NO SE FI .. .. .. .. .. .. .. .. .. .. .. ..
.. CA .. PM .. .. .. .. .. .. FO .. GB DK AX EE LV .. .. .. .. .. RU .. .. .. .. ..
.. US .. BM .. .. .. .. .. .. IE IM NL DE PL LT BY .. .. .. .. KZ .. MN .. .. .. ..
.. MX .. BS TC .. .. .. .. .. GG BE LU CZ SK UA MD .. GE .. UZ KG .. CN KP .. JP ..
.. GT BZ CU KY VG AI .. .. .. JE FR CH AT HU RO .. AM AZ .. TM TJ .. HK KR TW .. ..
.. SV HN JM HT DO PR MF .. PT ES MC LI SI HR RS BG TR .. IR AF PK .. MO .. .. .. ..
.. .. NI .. VI KN AG SX .. GI AD SM IT BA ME XK MK GR CY SY IQ .. NP BT .. PH GU MP
.. .. CR PA AW DM MS GP .. .. .. VA MT .. AL .. .. LB IL JO KW IN BD MM LA VN PW FM
.. .. .. CW BQ LC MQ BB .. EH MA DZ TN LY EG .. .. PS SA BH QA LK .. TH KH .. NR MH
.. .. CO VE TT VC GD BL .. MR ML NE TD SD ER .. YE OM AE .. MV .. MY SG BN KI TV ..
.. .. EC GY SR GF .. .. CV SN BF NG CF SS ET DJ SO .. .. .. .. .. ID TL PG SB TK WF
.. .. PE BO BR .. .. .. .. GM CI GH CM UG KE .. SC IO .. .. .. .. .. .. NC VU FJ WS
.. .. CL PY .. .. .. .. .. GW LR TG GA CD RW TZ .. .. .. .. .. CC CX AU NF .. TO NU
.. .. AR UY .. .. .. .. .. GN SL BJ GQ CG BI MW KM YT .. .. .. .. .. .. NZ .. CK PF
.. .. FK .. .. .. .. .. .. .. SH ST .. AO ZM MZ MG RE .. .. .. .. .. .. .. .. PN AS
.. .. .. .. .. .. .. .. .. .. .. .. .. NA BW ZW .. MU .. .. .. .. .. .. .. .. .. ..
.. .. AQ .. .. .. .. .. .. .. .. .. .. ZA LS SZ .. .. .. .. .. .. .. .. .. .. .. ..`

// world draws which pool has most of the answers in each country; nothing
// where regions is empty.
func world(regions []controller.Region, color func(string) string) template.HTML {
	if len(regions) == 0 {
		return ""
	}
	class := map[string]string{}
	for _, r := range regions {
		lead, most := "none", 0.0
		for _, s := range r.Shares {
			if s.Percent > most {
				lead, most = color(s.Pool), s.Percent
			}
		}
		for _, c := range r.Countries {
			class[c] = lead
		}
	}
	const size, gap = 20, 2
	var b strings.Builder
	rows := strings.Split(strings.TrimSpace(tiles), "\n")
	fmt.Fprintf(&b, `<svg class="world" viewBox="0 0 %d %d" aria-hidden="true">`, 28*size, len(rows)*size)
	for y, row := range rows {
		for x, code := range strings.Fields(row) {
			if code == ".." {
				continue
			}
			c := class[code]
			if c == "" {
				c = "none"
			}
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="2"/><text class="on-%s" x="%d" y="%d">%s</text>`,
				c, x*size, y*size, size-gap, size-gap, c[:1], x*size+(size-gap)/2, y*size+13, code)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // our own text and classes
}
