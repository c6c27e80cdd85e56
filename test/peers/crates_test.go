//go:build peers

package peers

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// cdn says which CDN a reply leads to: by the helper name, or by the address.
func cdn(m *dns.Msg) string {
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.CNAME:
			helper, _, _ := strings.Cut(rr.Target, "-")
			return helper
		case *dns.A:
			return map[netip.Addr]string{cloudfrontAddr: "cloudfront", fastlyAddr: "fastly"}[netip.AddrFrom4([4]byte(rr.A.To4()))]
		}
	}
	return dns.RcodeToString[m.Rcode]
}

// steered are the names whose answers move.
var steered = []string{"static.crates.io.", "index.crates.io.", "crates.io."}

// leadTo reports whether names lead to want now. The idle CDN has a small
// share, so that a few client networks ask: most must agree, and while want is
// the only one up, all do.
func (c *crates) leadTo(want string, names ...string) bool {
	for _, name := range names {
		got := sample(c.t, c.addr, name, 10, cdn)
		if got[want] < 8 || want == "cloudfront" && got[want] < 10 {
			return false
		}
	}
	return true
}

// TestCratesIO runs examples/crates-io whole: two nginx play CloudFront and
// Fastly, a third the origin behind them, Unbound stands in front.
func TestCratesIO(t *testing.T) {
	c := newCrates(t)
	never := watch(c.addr, steered...)
	t.Run("answers", c.answers)
	t.Run("weights", c.weights)
	t.Run("unbound", c.throughUnbound)
	for _, f := range []struct {
		fault fault
		class string
	}{
		{status500, "edge-5xx"},
		{hangs, "slow"},
		{challenges, "challenge"},
		{wrongCert, "tls"},
	} {
		t.Run("fastly "+string(f.fault), func(t *testing.T) { c.failover(t, f.fault, f.class) })
	}
	t.Run("one site only", c.oneSite)
	t.Run("the idle CDN", c.idle)
	t.Run("the origin", c.originFails)
	t.Run("both CDNs", c.bothFail)
	t.Run("by hand", c.byHand)
	never.end(t)
}

// answers asks for every kind of record that the zone has.
func (c *crates) answers(t *testing.T) {
	both(t, c.addr, "static.crates.io CNAME", "static.crates.io. 300 IN CNAME fastly-static.crates.io.")
	both(t, c.addr, "static.crates.io A", "static.crates.io. 300 IN CNAME fastly-static.crates.io.", "fastly-static.crates.io. 60 IN CNAME static.example.fastly.net.")
	both(t, c.addr, "static.crates.io MX", "static.crates.io. 300 IN CNAME fastly-static.crates.io.", "fastly-static.crates.io. 60 IN CNAME static.example.fastly.net.")
	both(t, c.addr, "cloudfront-index.crates.io CNAME", "cloudfront-index.crates.io. 300 IN CNAME index.example.cloudfront.net.")
	both(t, c.addr, "crates.io A", "crates.io. 60 IN A 127.0.1.2") // Fastly's own TTL is shorter
	both(t, c.addr, "crates.io AAAA")
	both(t, c.addr, "crates.io HTTPS")
	both(t, c.addr, "crates.io CNAME")
	both(t, c.addr, "crates.io MX", "crates.io. 300 IN MX 10 mxa.mailgun.org.", "crates.io. 300 IN MX 10 mxb.mailgun.org.")
	both(t, c.addr, "mail.crates.io MX", "mail.crates.io. 300 IN MX 10 mxa.mailgun.org.", "mail.crates.io. 300 IN MX 10 mxb.mailgun.org.")
	both(t, c.addr, "crates.io TXT", `crates.io. 300 IN TXT "v=spf1 include:mailgun.org ~all"`)
	both(t, c.addr, "_dmarc.crates.io TXT", `_dmarc.crates.io. 300 IN TXT "v=DMARC1; p=none; rua=mailto:dmarc-rua@rust-lang.org; fo=1; ruf=mailto:dmarc-rua@rust-lang.org"`)
	both(t, c.addr, "doc.crates.io A", "doc.crates.io. 300 IN CNAME rust-lang.github.io.")
	both(t, c.addr, "fedi.crates.io CNAME", "fedi.crates.io. 300 IN CNAME fedi.example.org.")
	both(t, c.addr, "crates.io NS", "crates.io. 300 IN NS ns1.crates.io.", "crates.io. 300 IN NS ns2.crates.io.")
	both(t, c.addr, "ns1.crates.io A", "ns1.crates.io. 300 IN A 192.0.2.53")
	for _, name := range []string{"k1._domainkey", "mailo._domainkey"} {
		m := c.ask(name+".crates.io", dns.TypeTXT)
		if len(m.Answer) != 1 || !strings.HasPrefix(strings.Join(m.Answer[0].(*dns.TXT).Txt, ""), "k=rsa; p=MIGf") {
			t.Errorf("%s has no key: %v", name, m.Answer)
		}
	}
	for _, question := range []string{"crates.io AAAA", "crates.io HTTPS", "_domainkey.crates.io TXT"} {
		for _, program := range []string{"dig", "kdig"} {
			got := ask(t, program, c.addr, question)
			if !strings.Contains(got, "status: NOERROR") || !strings.Contains(got, "IN SOA ns1.crates.io. hostmaster.crates.io.") {
				t.Errorf("%s %s: want NODATA with SOA:\n%s", program, question, got)
			}
		}
	}
	if got := ask(t, "dig", c.addr, "nothing.crates.io"); !strings.Contains(got, "status: NXDOMAIN") {
		t.Errorf("want NXDOMAIN:\n%s", got)
	}
}

// weights asks for each name as many client networks: each share must lie
// within five standard deviations of what the weights say. A weight of 0 is kept
// warm with one answer in a hundred. Asked again, each network gets what it had.
func (c *crates) weights(t *testing.T) {
	const draws = 20000
	for _, w := range []struct {
		name               string
		cloudfront, fastly float64
	}{
		{"static.crates.io.", 1, 99},
		{"index.crates.io.", 1, 255},
		{"crates.io.", 1, 99},
	} {
		got := sample(t, c.addr, w.name, draws, cdn)
		p := w.cloudfront / (w.cloudfront + w.fastly)
		mean, sigma := draws*p, math.Sqrt(draws*p*(1-p))
		if n := float64(got["cloudfront"]); math.Abs(n-mean) > 5*sigma {
			t.Errorf("%s: cloudfront came %v times of %d, want %.1f ± %.1f", w.name, n, draws, mean, 5*sigma)
		}
		if got["cloudfront"]+got["fastly"] != draws {
			t.Errorf("%s: other answers came: %v", w.name, got)
		}
		if again := sample(t, c.addr, w.name, draws, cdn); !maps.Equal(got, again) {
			t.Errorf("%s: %v, and then %v", w.name, got, again)
		}
		t.Logf("%s %v of %d; expected for cloudfront: %.1f, standard deviation %.1f", w.name, got, draws, mean, sigma)
	}
}

// throughUnbound asks as a client does: through a resolver that follows the
// CNAMEs to the CDN.
func (c *crates) throughUnbound(t *testing.T) {
	ends := map[string]string{ // the data of the answer; of addresses the chain to them is left out
		"static.crates.io A":         "127.0.1.2",
		"crates.io A":                "127.0.1.2",
		"crates.io MX":               "10 mxa.mailgun.org.\n10 mxb.mailgun.org.",
		"crates.io TXT":              `"v=spf1 include:mailgun.org ~all"`,
		"crates.io NS":               "ns1.crates.io.\nns2.crates.io.",
		"crates.io SOA":              "ns1.crates.io. hostmaster.crates.io. 2026070101 3600 600 1209600 300",
		"crates.io AAAA":             "",
		"crates.io HTTPS":            "",
		"_dmarc.crates.io TXT":       `"v=DMARC1; p=none; rua=mailto:dmarc-rua@rust-lang.org; fo=1; ruf=mailto:dmarc-rua@rust-lang.org"`,
		"fastly-app.crates.io A":     "127.0.1.2",
		"cloudfront-app.crates.io A": "127.0.1.1",
	}
	for question, want := range ends {
		for _, program := range []string{"dig", "kdig"} {
			short := sorted(ask(t, program, c.unbound.addr, question+" +short"))
			if _, end, chain := strings.Cut(short, "127."); chain {
				short = "127." + strings.SplitN(end, "\n", 2)[0] // the address; the chain stands in answers
			}
			if short != want {
				t.Errorf("%s %s through Unbound: %q, want %q", program, question, short, want)
			}
			if whole := ask(t, program, c.unbound.addr, question); !strings.Contains(whole, "status: NOERROR") {
				t.Errorf("%s %s through Unbound:\n%s", program, question, whole)
			}
		}
	}
}

// moved waits until names lead to the CDN want, and returns how long that
// took since the moment it was set off.
func (c *crates) moved(t *testing.T, since time.Time, want string, names ...string) time.Duration {
	t.Helper()
	c.until(fmt.Sprintf("%s at %s", names, want), func() bool { return c.leadTo(want, names...) })
	return time.Since(since)
}

// most is how long a move may take: seconds, as promised, and time for a
// machine that does much else.
const most = 10 * time.Second

// failover breaks all of Fastly and mends it.
func (c *crates) failover(t *testing.T, f fault, class string) {
	began := c.fastly.fail(t, everySite, f)
	first := c.first(t, began)
	all := c.moved(t, began, "cloudfront", steered...)
	for _, pool := range []string{"fastly-static", "fastly-index", "fastly-app"} {
		if p := c.pool(pool); p.State != "down" || p.Class != class {
			t.Errorf("%s is %s with class %q (%s), want down with %q", pool, p.State, p.Class, p.Reason, class)
		}
	}
	t.Logf("reason: %s", c.pool("fastly-static").Reason)
	client := c.reaches(t, began, "static.crates.io", cloudfrontAddr)

	mended := c.fastly.fail(t, everySite, healthy)
	back := c.moved(t, mended, "fastly", steered...)
	clientBack := c.reaches(t, mended, "static.crates.io", fastlyAddr)
	t.Logf("%s: first answer moved after %.2fs, all after %.2fs, a client of Unbound after %.2fs; back after %.2fs, a client after %.2fs",
		f, first.Seconds(), all.Seconds(), client.Seconds(), back.Seconds(), clientBack.Seconds())
	if all > most || back > most {
		t.Errorf("a move took longer than %v", most)
	}
}

// first waits until one of the names has moved away from Fastly.
func (c *crates) first(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	c.until("a first answer moves", func() bool {
		return slices.ContainsFunc(steered, func(name string) bool { return c.leadTo("cloudfront", name) })
	})
	return time.Since(since)
}

// reaches waits until a client of Unbound gets want for name.
func (c *crates) reaches(t *testing.T, since time.Time, name string, want netip.Addr) time.Duration {
	t.Helper()
	c.unbound.until(name+" reaches "+want.String(), func() bool {
		return strings.HasSuffix(ask(t, "dig", c.unbound.addr, name+" A +short"), want.String())
	})
	return time.Since(since)
}

// oneSite breaks one site of Fastly, as on 2023-02-02: the others stay.
func (c *crates) oneSite(t *testing.T) {
	began := c.fastly.fail(t, "static.crates.io", status500)
	took := c.moved(t, began, "cloudfront", "static.crates.io.")
	if !c.leadTo("fastly", "index.crates.io.", "crates.io.") {
		t.Error("index or the apex moved with static")
	}
	mended := c.fastly.fail(t, "static.crates.io", healthy)
	t.Logf("static moved after %.2fs and came back after %.2fs", took.Seconds(), c.moved(t, mended, "fastly", steered...).Seconds())
}

// idle breaks the CDN that gets nothing, or next to nothing: the status tells,
// and no answer leads there any more.
func (c *crates) idle(t *testing.T) {
	began := c.cloudfront.fail(t, everySite, status500)
	c.until("cloudfront-index is down", func() bool { return c.pool("cloudfront-index").State == "down" })
	t.Logf("noticed after %.2fs", time.Since(began).Seconds())
	if got := sample(t, c.addr, "index.crates.io.", 5000, cdn); got["fastly"] != 5000 {
		t.Errorf("answers while CloudFront is down: %v", got)
	}
	c.cloudfront.fail(t, everySite, healthy)
	c.allUp()
}

// originFails takes the site's origin down: every CDN answers 5xx, and none
// would do better than the other. The apex, whose origin shunt knows, stays
// where it is; the other two fail open, in last good order: which of their
// CDNs fell first is chance, and so is which of them answers.
func (c *crates) originFails(t *testing.T) {
	c.origin.fail(t, everySite, outOfOrder)
	c.until("the origin is down", func() bool { return c.pool("heroku").State == "down" })
	c.until("fastly-static is down", func() bool {
		return c.pool("fastly-static").State == "down" && c.pool("cloudfront-static").State == "down"
	})
	for _, pool := range []string{"fastly-app", "cloudfront-app"} {
		c.until(pool+" is held", func() bool { return c.pool(pool).Held != "" })
		if p := c.pool(pool); p.State != "up" {
			t.Errorf("%s is %s though its origin explains the failure", pool, p.State)
		}
	}
	if !c.leadTo("fastly", "crates.io.") {
		t.Error("the apex moved though no CDN would do better")
	}
	if !c.leadTo("fastly", "static.crates.io.") && !c.leadTo("cloudfront", "static.crates.io.") {
		t.Error("static does not fail open")
	}
	if s := c.status(); !slices.Contains(s.FailOpen, "static.crates.io.") || slices.Contains(s.FailOpen, "crates.io.") {
		t.Errorf("fail open: %v, want static and not the apex", s.FailOpen)
	}
	t.Logf("held: %s", c.pool("fastly-app").Held)
	c.origin.fail(t, everySite, healthy)
	c.allUp()
}

// bothFail breaks both CDNs: nothing is up, and answers go on in last good
// order.
func (c *crates) bothFail(t *testing.T) {
	c.cloudfront.fail(t, everySite, wrongCert)
	c.until("CloudFront is down", func() bool { return c.pool("cloudfront-app").State == "down" })
	c.fastly.fail(t, everySite, hangs)
	c.until("every service fails open", func() bool { return len(c.status().FailOpen) == len(steered) })
	if !c.leadTo("fastly", steered...) {
		t.Error("the last good order does not answer")
	}
	c.cloudfront.fail(t, everySite, healthy)
	c.until("CloudFront answers", func() bool { return c.leadTo("cloudfront", steered...) })
	c.fastly.fail(t, everySite, healthy)
	c.allUp()
}

// allUp waits until every pool is up.
func (c *crates) allUp() {
	c.until("every pool is up", func() bool {
		return !slices.ContainsFunc(c.status().Pools, func(p poolReport) bool { return p.State != "up" })
	})
}

// byHand switches with everything healthy, and then runs every command of the
// README as it stands there.
func (c *crates) byHand(t *testing.T) {
	began := time.Now()
	c.run("override", "set", "fastly-static", "drain", "--for", "2h", "--reason", "large crates fail on Fastly")
	took := c.moved(t, began, "cloudfront", "static.crates.io.")
	if !c.leadTo("fastly", "index.crates.io.", "crates.io.") {
		t.Error("index or the apex moved with static")
	}
	if p := c.pool("fastly-static"); p.State != "up" || p.Override == nil || p.Override.Force != "drain" {
		t.Errorf("the real state does not stand beside the forced one: %+v", p)
	}
	began = time.Now()
	c.run("override", "clear", "fastly-static")
	t.Logf("by hand: one command and %.2fs, and %.2fs back", took.Seconds(), c.moved(t, began, "fastly", steered...).Seconds())
	for _, script := range shellBlocks(example(t, "README.md")) {
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(shunt)+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("README.md: %v of\n%s%s", err, script, out)
		}
	}
	c.moved(t, time.Now(), "cloudfront", steered...) // the last block drains all of Fastly
	c.run("probe", "heroku")
}

// shellBlocks returns what stands between "```sh" and "```" in a document.
func shellBlocks(text string) []string {
	var blocks []string
	for {
		_, rest, found := strings.Cut(text, "```sh\n")
		if !found {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks, text = append(blocks, block), after
	}
}

// TestExampleAsItIs checks the example without any change.
func TestExampleAsItIs(t *testing.T) {
	out, err := exec.Command(shunt, "check", "-c", filepath.Join("..", "..", "examples", "crates-io", "shunt.yaml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "3 services, 6 pools") {
		t.Errorf("shunt check: %v: %s", err, out)
	}
}
