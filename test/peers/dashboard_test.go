//go:build peers && browser

package peers

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/internal/cdntest"
	"github.com/shunt-dns/shunt/internal/placetest"
)

// dashboardConfig is a node with three CDNs and an origin on loopback: the port
// of the dashboard, and that of the CDNs.
const dashboardConfig = `
node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock, web: ["127.0.0.1:%d"], tokens: tokens}
places: {databases: [country.mmdb]}
monitors:
  - name: site
    http: {host: www.example.test, port: %d, path: /healthz, body: shunt-ok}
    interval: 500ms
    timeout: 400ms
    fall: 3
    rise: 2
    hold_down: 1s
pools:
  - {name: alpha, operator: alpha, addresses: [127.0.1.1], monitors: [site]}
  - {name: beta, operator: beta, addresses: [127.0.1.2], monitors: [site]}
  - {name: gamma, operator: gamma, addresses: [127.0.1.3], monitors: [site]}
  - {name: origin, operator: self, addresses: [127.0.1.4], monitors: [site]}
policies:
  - name: placed
    chain:
      - healthy
      - prefer: {lists: [{places: [EU], pools: [beta, alpha]}, {places: ["continent:AS"], pools: [gamma, alpha]}, {default: [alpha, beta, gamma]}]}
      - first: 1
zones:
  - name: example.test
    services:
      - {name: www, pools: [alpha, beta, origin], policy: failover, ttl: 10s}
      - {name: "@", pools: [alpha, beta, origin], policy: failover, ttl: 10s}
      - {name: static, pools: [{pool: alpha, weight: 60}, {pool: beta, weight: 30}, {pool: gamma, weight: 10}], policy: weighted, ttl: 30s}
      - {name: shop, pools: [alpha, beta, gamma], policy: placed, ttl: 30s}
      - {name: pair, pools: [alpha, beta], policy: failover, ttl: 30s}
`

// A site is a node with its CDNs, and a dashboard.
type site struct {
	*node
	edges map[string]*cdntest.Edge
	url   string
	token string
}

// dashboard starts one.
func dashboard(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{edges: map[string]*cdntest.Edge{}}
	addrs := map[string]netip.Addr{}
	for i, name := range []string{"alpha", "beta", "gamma", "origin"} {
		addrs[name] = netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + i)})
	}
	port, err := cdntest.FreePort(addrs["alpha"], addrs["beta"], addrs["gamma"], addrs["origin"])
	if err != nil {
		t.Fatal(err)
	}
	for name, addr := range addrs {
		if s.edges[name], err = cdntest.Start(netip.AddrPortFrom(addr, port), cdntest.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.edges[name].Close)
	}
	web, err := cdntest.FreePort(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	placetest.Write(t, filepath.Join(dir, "country.mmdb"), fewPlaces)
	write(t, filepath.Join(dir, "shunt.yaml"), fmt.Sprintf(dashboardConfig, web, port))
	s.url = fmt.Sprintf("http://127.0.0.1:%d", web)
	s.token = token(t, dir, "ada", "write")
	s.node = serve(t, dir)
	crowd(t, s.addr)
	return s
}

// fewPlaces are networks of some countries.
const fewPlaces = `
198.51.100.0/26 country=DE
198.51.100.64/26 country=FR
198.51.100.128/26 country=PL
203.0.113.0/26 country=JP
203.0.113.64/26 country=IN
203.0.113.128/26 country=US
203.0.113.192/26 country=BR
`

// crowd has clients of many networks ask for every name until the test ends.
func crowd(t *testing.T, server netip.AddrPort) {
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	t.Cleanup(func() { stop(); <-over })
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(over)
		defer conn.Close()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		names := []string{"www", "www", "www", "static", "static", "static", "shop", "shop", "pair"}
		for i := 0; ; i++ {
			m := new(dns.Msg).SetQuestion(names[i%len(names)]+".example.test.", dns.TypeA)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24,
				Address: net.IPv4(198, byte(18+i%2), byte(i*7), 0)})
			if wire, err := m.Pack(); err == nil {
				conn.Write(wire)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// fault has an edge do as it is told.
func (s *site) fault(edge string, f cdntest.Fault) {
	s.t.Helper()
	if err := s.edges[edge].Set(f); err != nil {
		s.t.Fatal(err)
	}
}

// TestDashboard needs Chromium. It is one evening of an operator: a log-in, a
// CDN that fails while they look on, an override, a drill, a refusal, and a
// node that goes away. In all of it the pages do nothing that their policy
// forbids, load nothing from elsewhere, and say nothing wrong to the console.
func TestDashboard(t *testing.T) {
	t.Parallel()
	s := dashboard(t)
	b := browse(t, s.url)
	t.Run("policy", func(t *testing.T) { s.isGuarded(b.of(t)) })
	t.Run("log in", func(t *testing.T) { s.logsIn(b.of(t)) })
	t.Run("failover", func(t *testing.T) { s.failsOver(b.of(t)) })
	t.Run("override", func(t *testing.T) { s.overrides(b.of(t)) })
	t.Run("refusal", func(t *testing.T) { s.refuses(b.of(t)) })
	t.Run("drill", func(t *testing.T) { s.drills(b.of(t)) })
	t.Run("freeze", func(t *testing.T) { s.freezes(b.of(t)) })
	t.Run("explain", func(t *testing.T) { s.explains(b.of(t)) })
	t.Run("phone", func(t *testing.T) { s.onPhone(b.of(t)) })
	t.Run("picture", func(t *testing.T) { s.picture(b.of(t)) })
	t.Run("dark", func(t *testing.T) { s.inDark(b.of(t)) })
	t.Run("keyboard", func(t *testing.T) { s.byKeyboard(b.of(t)) })
	t.Run("search", func(t *testing.T) { s.searches(b.of(t)) })
	t.Run("no script", func(t *testing.T) { s.withoutScript(b.of(t)) })
	t.Run("connection lost", func(t *testing.T) { s.goesAway(b.of(t)) })
}

// of has b tell of failures to t, and looks at what pages did wrong when t ends.
func (b *tab) of(t *testing.T) *tab {
	b.t = t
	t.Cleanup(b.innocent)
	return b
}

// What the policy forbids is not done, and would be noticed: the other tests
// rest on that.
func (s *site) isGuarded(b *tab) {
	b.open("/login")
	for what, script := range map[string]string{
		"style-src":                 `(document.body.setAttribute("style", "color: red"), true)`,
		"script-src":                `(() => { const x = document.createElement("script"); x.textContent = "window.evil = true"; document.body.append(x); return true })()`,
		"img-src":                   `(() => { new Image().src = "http://127.0.0.2:1/x.png"; return true })()`,
		"connect-src":               `(fetch("http://127.0.0.2:1/x").catch(() => 0), true)`,
		"a script failed: Uncaught": `(setTimeout(() => { throw new Error("x") }), true)`,
	} {
		eval[bool](b, script)
		b.caught(what)
	}
	if eval[bool](b, `window.evil === true`) {
		b.t.Error("a script of the page's own ran")
	}
	time.Sleep(time.Second / 2) // some of it is told of twice
	b.forgive()
}

func (s *site) logsIn(b *tab) {
	b.open("/pools/alpha?x=1")
	b.until("main", "Log in")
	b.fill("form.login", "token", "shunt_guessed")
	b.press("form.login", "Log in")
	b.until("main", "This token is not known here")
	b.shot("login")
	b.fill("form.login", "token", s.token)
	b.press("form.login", "Log in")
	b.until("main", "alpha", "Endpoints")
	if got := b.path(); got != "/pools/alpha?x=1" {
		b.t.Errorf("after the log-in they are at %s", got)
	}
	b.press("header", "Log out ada")
	b.until("main", "Log in")
	b.open("/services")
	b.until("main", "Log in")
	b.fill("form.login", "token", s.token)
	b.press("form.login", "Log in")
	b.until("main", "5 services")
	b.open("/")
	b.until("main", "All is well: all 4 pools are up, every service answers.", "static.example.test")
}

// A CDN fails: the page tells of it by itself, and of its return.
func (s *site) failsOver(b *tab) {
	b.open("/")
	b.until("#service-www\\.example\\.test\\.", "alpha 100 %")
	b.until("#service-static\\.example\\.test\\.", "alpha", "beta", "gamma")
	b.shot("well")
	eval[bool](b, `window.mark = true`)
	began := time.Now()
	s.fault("alpha", cdntest.Status(503))
	b.until("main", "Every service answers, but alpha is down.", "pool alpha is down")
	b.t.Logf("the page told of the failure within %v", time.Since(began).Round(10*time.Millisecond))
	b.until("#service-www\\.example\\.test\\.", "beta answers")
	b.until("#announce", "alpha is down")
	b.shot("failover")
	s.fault("alpha", cdntest.Healthy())
	b.until("main", "All is well")
	b.until("#service-www\\.example\\.test\\.", "alpha answers")
	if !eval[bool](b, `window.mark === true`) {
		b.t.Error("the page was loaded anew: it does not follow by itself")
	}
	if b.streams == 0 {
		b.t.Error("no event came by itself")
	}
}

// An override is confirmed, seen with its reason and its time, and cleared.
func (s *site) overrides(b *tab) {
	b.open("/pools/alpha")
	b.press("main", "Override")
	b.until("main", "Override a pool")
	b.do(chromedp.Click(chromedp.CSS("#override [value=drain]")))
	b.fill("#override", "for", "2h")
	b.fill("#override", "reason", "error spike, ticket 4711")
	b.press("#override", "Go on")
	b.until("main", "Force alpha drain for 2h?", "error spike, ticket 4711")
	if o := s.pool("alpha").Override; o != nil {
		b.t.Fatal("it was done before it was confirmed")
	}
	b.shot("confirm")
	b.press("main", "Force alpha drain")
	b.until("main", "The override is set.", "Forced drain")
	if o := s.pool("alpha").Override; o == nil || o.Force != "drain" || o.Author != "ada" || o.Reason != "error spike, ticket 4711" {
		b.t.Errorf("the override is %+v", o)
	}
	b.open("/")
	b.until("main", "alpha is forced drain for another 1h", "really it is up", "error spike, ticket 4711 (ada)")
	b.until("#service-www\\.example\\.test\\.", "beta 100 %") // once the last ten seconds know nothing else
	b.press(".byhand", "Clear the override")
	b.until("main", "Clear the override of alpha?")
	b.press("form.confirm", "Clear it")
	b.until("main", "The override is cleared")
	b.open("/")
	b.until("#service-www\\.example\\.test\\.", "alpha answers")
	if strings.Contains(b.text(".byhand"), "drain") {
		b.t.Error("the override is still shown")
	}
}

// What a safety rule forbids is refused, and broken only on purpose.
func (s *site) refuses(b *tab) {
	s.run("override", "set", "beta", "down", "--for", "1h", "--reason", "so that one is left")
	defer s.run("override", "clear", "beta")
	b.expect("409") // Chromium writes every such answer to the console
	defer b.expect()
	b.open("/operate?pool=alpha")
	b.do(chromedp.Click(chromedp.CSS("#override [value=down]")))
	b.fill("#override", "for", "30m")
	b.fill("#override", "reason", "one too many")
	b.press("#override", "Go on")
	b.until("main", "Force alpha down for 30m?")
	b.press("form.confirm", "Force alpha down")
	b.until("main", "Refused", "pair.example.test", "I break this on purpose")
	b.shot("refused")
	if s.pool("alpha").Override != nil {
		b.t.Error("it was done all the same")
	}
	b.press("form.force", "Force alpha down all the same")
	if got := b.text("h1"); got != "Refused" {
		b.t.Errorf("it was forced without a second word: %s", got)
	}
	b.do(chromedp.Click(chromedp.CSS("form.force [name=anyway]")))
	b.press("form.force", "Force alpha down all the same")
	b.until("main", "The override is set.")
	s.run("override", "clear", "alpha")
}

// A drill is foreseen, runs, is stopped, and has its report.
func (s *site) drills(b *tab) {
	b.open("/operate#drill")
	b.fill("#drill", "pool", "alpha")
	b.fill("#drill", "for", "10m")
	b.fill("#drill", "reason", "monthly exercise")
	b.press("#drill", "See what would be")
	b.until("main", "Take alpha away for 10m, as a drill?", "Who answers", "monthly exercise")
	b.shot("drill-forecast")
	b.press("form.confirm", "Start the drill")
	b.until("main", "The drill has begun.", "100 % of alpha taken away")
	b.until("#service-www\\.example\\.test\\.", "beta answers")
	b.shot("drill")
	b.press(".byhand", "Stop the drill")
	b.until("main", "End the drill")
	b.press("form.confirm", "End it")
	b.until("main", "The drill has ended.", "interrupted", "monthly exercise (ada)")
	b.press("table.drills", "20") // the first: its name begins with the year
	b.until("main", "interrupted", "Who answers", "Timeline", "by ada: monthly exercise")
	b.shot("drill-report")
}

func (s *site) freezes(b *tab) {
	b.open("/operate")
	b.fill("#freeze", "for", "15m")
	b.fill("#freeze", "reason", "probes flap")
	b.press("#freeze", "Freeze")
	b.press("form.confirm", "Freeze")
	b.until("main", "Automation is off.", "probes flap (ada)")
	b.press(".byhand", "Unfreeze")
	b.press("form.confirm", "Unfreeze")
	b.until("main", "Automation is on again.", "automation is on")
	b.open("/log")
	b.until("main", "What people did", "ada", "probes flap", "monthly exercise")
	b.shot("log")
}

// Explain answers for an address and for a country, and says what is wrong with
// a question.
func (s *site) explains(b *tab) {
	b.open("/explain")
	b.fill("form.filter", "name", "shop.example.test")
	b.fill("form.filter", "client", "DE")
	b.press("form.filter", "Explain")
	b.until("main", "The chain, step by step", "prefer", "127.0.1.2")
	b.shot("explain")
	b.open("/explain?name=shop.example.test&type=A&client=203.0.113.7")
	b.until("main", "JP", "127.0.1.3")
	b.expect("400")
	defer b.expect()
	b.open("/explain?name=shop.example.test&client=QQ")
	b.until("main", "QQ")
	b.open("/services/shop.example.test")
	b.until("main", "By country", "beta 100 %", "DE", "gamma 100 %", "JP")
	b.shot("places")
	b.open("/pools/beta")
	b.press("main", "Probe it now")
	b.until("main", "Probe of beta", "127.0.1.2 site well")
}

// pages are those that have no form to be filled in first.
var dashboardPages = []string{"/", "/services", "/services/www.example.test", "/services/shop.example.test", "/pools", "/pools/alpha", "/operate", "/explain?name=shop.example.test&client=DE", "/drills", "/log"}

// No page needs sideways scrolling on a phone.
func (s *site) onPhone(b *tab) {
	b.size(360, 740)
	defer b.size(1360, 900)
	s.fault("gamma", cdntest.Status(503))
	b.open("/")
	b.until("main", "gamma is down")
	b.shot("phone")
	for _, path := range dashboardPages {
		b.open(path)
		if w := eval[int](b, `document.documentElement.scrollWidth`); w > 360 {
			who := eval[string](b, `[...document.querySelectorAll("body *")].filter(x => x.getBoundingClientRect().right > 361).map(x => x.tagName + "." + x.className).slice(0, 5).join(", ")`)
			b.t.Errorf("%s is %d wide: %s", path, w, who)
		}
		if small := eval[string](b, `[...document.querySelectorAll("main button, main .button")].filter(x => x.getBoundingClientRect().height < 40).map(x => x.innerText).join(", ")`); small != "" {
			b.t.Errorf("%s: too small for a finger: %s", path, small)
		}
	}
}

// contrast finds text whose contrast with what is behind it is less than WCAG's
// AA asks for: 4.5, or 3 for large text.
const contrast = `(() => {
	const rgb = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 } };
	const lum = (c) => { const f = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2] };
	const behind = (x) => { for (; x; x = x.parentElement) { const b = rgb(getComputedStyle(x).backgroundColor); if (b.a === 1) return b.c } return [255, 255, 255] };
	const bad = new Set();
	for (const x of document.querySelectorAll("body *")) {
		if (x.closest("svg") || ![...x.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim()) || !x.checkVisibility()) continue;
		const s = getComputedStyle(x), a = lum(rgb(s.color).c), b = lum(behind(x));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(s.fontSize);
		if (ratio < (size >= 24 || size >= 18.66 && s.fontWeight >= 700 ? 3 : 4.5)) bad.add(x.tagName + "." + x.className + " " + ratio.toFixed(2) + " " + x.innerText.slice(0, 30));
	}
	return [...bad].slice(0, 5).join("; ");
})()`

// Who prefers dark gets it, and either is legible.
func (s *site) inDark(b *tab) {
	defer b.prefer("light")
	b.open("/")
	b.until("main", "gamma is down")
	for _, scheme := range []string{"light", "dark"} {
		b.prefer(scheme)
		for _, path := range dashboardPages {
			b.open(path)
			if bad := eval[string](b, contrast); bad != "" {
				b.t.Errorf("%s, %s: too little contrast: %s", path, scheme, bad)
			}
		}
		b.open("/")
		dark := eval[bool](b, `getComputedStyle(document.body).backgroundColor.match(/\d+/)[0] < 60`)
		if dark != (scheme == "dark") {
			b.t.Errorf("who prefers %s does not get it", scheme)
		}
	}
	b.prefer("dark")
	b.shot("dark")
}

// Everything that can be pressed or filled in can be reached with the tab key,
// in the order of the page, and shows that it is.
func (s *site) byKeyboard(b *tab) {
	for _, path := range []string{"/", "/operate", "/services", "/pools/alpha"} {
		b.open(path)
		want := eval[int](b, `(() => { window.reached = []; document.activeElement.blur();
			const names = new Set(); let n = 0;
			for (const x of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
				if (!x.checkVisibility()) continue;
				if (x.type === "radio") { if (names.has(x.name)) continue; names.add(x.name) }
				n++;
			} return n })()`)
		var missing int
		for range want {
			b.do(chromedp.KeyEvent("\t"))
			if !eval[bool](b, `(() => { const x = document.activeElement; if (!x || x === document.body) return false;
				window.reached.push(x); return getComputedStyle(x).outlineStyle !== "none" })()`) {
				missing++
			}
		}
		order := eval[bool](b, `window.reached.every((x, i, all) => i === 0 || all[i - 1].compareDocumentPosition(x) & Node.DOCUMENT_POSITION_FOLLOWING)`)
		if got := eval[int](b, `new Set(window.reached).size`); got != want || missing > 0 || !order {
			b.t.Errorf("%s: %d of %d controls are reached, %d without a sign of it, in order: %v", path, got, want, missing, order)
		}
	}
	b.open("/")
	b.do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	if got := eval[string](b, `document.activeElement.id`); got != "main" {
		b.t.Errorf("the skip link leads to %q", got)
	}
	// What a person opened stays open while the page follows what happens.
	eval[bool](b, `document.querySelector("#endpoints-beta").open = true`)
	eval[bool](b, `(document.querySelector("#endpoints-beta summary").focus(), true)`)
	time.Sleep(5 * time.Second / 2)
	if !eval[bool](b, `document.querySelector("#endpoints-beta").open && document.activeElement === document.querySelector("#endpoints-beta summary")`) {
		b.t.Error("what was opened closes, or the focus is lost, when the page is refreshed")
	}
}

// A search needs no button.
func (s *site) searches(b *tab) {
	b.open("/services")
	b.until("main", "5 services")
	b.do(chromedp.SendKeys(chromedp.CSS("[name=q]"), "sho"))
	b.until("main", "1 service of 5", "shop.example.test")
	if got := b.path(); got != "/services?q=sho" {
		b.t.Errorf("the address does not say what is looked for: %s", got)
	}
	if got := eval[string](b, `document.activeElement.name`); got != "q" {
		b.t.Error("the field lost the focus")
	}
}

// Without a script the state is there, and forms work.
func (s *site) withoutScript(b *tab) {
	b.scripts(false)
	defer b.scripts(true)
	b.open("/")
	b.until("main", "www.example.test", "alpha")
	b.until(".who", "as of")
	b.open("/operate")
	b.fill("#freeze", "for", "15m")
	b.fill("#freeze", "reason", "no script")
	b.do(chromedp.Click(chromedp.CSS("#freeze button")))
	b.until("main", "Switch automation off for 15m?")
	b.do(chromedp.Click(chromedp.CSS("form.confirm button")))
	b.until("main", "Automation is off.", "no script")
	s.run("unfreeze")
}

// A node that goes away does not leave a page that looks as if all were well,
// and one that comes back is seen again.
func (s *site) goesAway(b *tab) {
	b.open("/")
	b.until("#link", "live")
	b.expect("ERR_", "401") // what Chromium says of requests that fail, and of a session that is over
	s.stop()
	b.until("#lost", "The node does not answer.", "last seen")
	b.until("#link", "not connected")
	b.shot("lost")
	s.node = serve(s.t, s.dir)
	b.until("main", "Log in") // sessions end with the process
	b.expect()
}

// picture makes the picture of the documents: the window while a CDN is down,
// in few colors. SHUNT_PICTURE names the file; without it none is written.
func (s *site) picture(b *tab) {
	b.size(1280, 1000)
	defer b.size(1360, 900)
	b.open("/")
	b.until("main", "gamma is down")
	path := os.Getenv("SHUNT_PICTURE")
	if path == "" {
		return
	}
	page, err := png.Decode(bytes.NewReader(b.shot("picture")))
	if err != nil {
		b.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(f, fewColors(page)); err != nil {
		b.t.Error(err)
	}
}

// fewColors returns page with its most frequent colors alone, 256 of them.
func fewColors(page image.Image) image.Image {
	seen := map[color.RGBA]int{}
	r := page.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			seen[color.RGBAModel.Convert(page.At(x, y)).(color.RGBA)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(seen), func(a, b color.RGBA) int { return seen[b] - seen[a] })
	var p color.Palette
	for _, c := range most[:min(len(most), 256)] {
		p = append(p, c)
	}
	few := image.NewPaletted(r, p)
	draw.Draw(few, r, page, r.Min, draw.Src)
	return few
}

// token makes a token that may do what rights say.
func token(t testing.TB, dir, name, rights string) string {
	t.Helper()
	n := &node{process: &process{t: t}, dir: dir}
	out := n.run("token", "new", name, "--rights", rights, "--for", "1h", "-c", filepath.Join(dir, "shunt.yaml"))
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "shunt_") {
			return word
		}
	}
	t.Fatalf("no token in %q", out)
	return ""
}
