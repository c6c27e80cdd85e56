package probe

import (
	"bytes"
	"net/http"
	"strings"
)

// when says under which statuses a marker proves a challenge. Several vendors
// leave the same marks on every page they serve, so that a mark alone must not
// turn a failing site into a suspicious prober.
type when uint8

const (
	always   when = iota // the mark occurs in challenges only
	unfailed             // not with 5xx: there the vendor's error pages have it too
	refusing             // 403, 405, 406, 428, 429, 503: statuses a challenge comes with
	blocking             // 403, 429: ordinary pages and passed-on errors have it as well
)

// holds reports whether a mark counts under status.
func (w when) holds(status int) bool {
	switch w {
	case always:
		return true
	case unfailed:
		return status < 500
	case refusing:
		return status == 403 || status == 405 || status == 406 || status == 428 || status == 429 || status == 503
	}
	return status == 403 || status == 429
}

// A mark is something in an answer that gives a bot challenge, or the block of
// a supposed bot, away.
type mark struct {
	vendor string
	field  string // header field that holds text; "" looks into the body
	text   string // "": the field is there at all
	when   when
}

// marks returns what the vendors' challenges are known by. The header fields
// of Cloudflare and AWS WAF are documented by them, and the cookie and script
// path by Fastly; the others are what their pages contain. Akamai's ak_bmsc
// cookie is not here: it comes with every answer.
func marks() []mark {
	return []mark{
		{"Cloudflare", "Cf-Mitigated", "challenge", always},
		{"Cloudflare", "", "_cf_chl_opt", always},
		{"Cloudflare", "", "<title>Just a moment...", always},
		{"Cloudflare", "", "Just a moment...", refusing},
		{"Cloudflare", "", "/cdn-cgi/challenge-platform/", blocking}, // JavaScript detections put it into any page
		{"Cloudflare", "", "Attention Required! | Cloudflare", blocking},
		{"AWS WAF", "X-Amzn-Waf-Action", "challenge", always},
		{"AWS WAF", "X-Amzn-Waf-Action", "captcha", always},
		{"DataDome", "", "captcha-delivery.com", always},
		{"DataDome", "X-Datadome", "", blocking}, // "protected" on every answer
		{"Imperva", "", "Incapsula incident ID", unfailed},
		{"Imperva", "", "_Incapsula_Resource", blocking}, // in ordinary pages too
		{"Akamai", "", "sec-cp-challenge", always},
		{"Akamai", "", "sec-if-cpt-container", always},
		{"Akamai", "", "Reference #18.", blocking}, // 18: denied by a security product
		{"Akamai", "", "Reference&#32;&#35;18&#46;", blocking},
		{"Fastly", "Set-Cookie", "_fs_ch_st_", refusing},
		{"Fastly", "", "/_fs-ch-", refusing}, // embedded challenges put it into any page
	}
}

// challenger returns whose bot challenge an answer is; "" when it is none.
func challenger(status int, h http.Header, body []byte) string {
	for _, m := range marks() {
		if m.when.holds(status) && m.in(h, body) {
			return m.vendor
		}
	}
	return ""
}

func (m mark) in(h http.Header, body []byte) bool {
	if m.field == "" {
		return bytes.Contains(body, []byte(m.text))
	}
	for _, v := range h.Values(m.field) {
		if strings.Contains(strings.ToLower(v), m.text) {
			return true
		}
	}
	return false
}
