//go:build peers && browser

package peers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A tab is one tab of a headless Chromium, whose profile lasts as long as its
// test. It takes down all that a page does wrong.
type tab struct {
	t     testing.TB
	ctx   context.Context
	site  string // http://host:port
	shots string // folder of screenshots

	mu      sync.Mutex
	wrong   []string // errors of the console, of scripts, of the policy, and requests that go elsewhere
	streams int      // messages that came by themselves, as server-sent events
	allowed []string // what is not wrong while it is expected, in part
}

// browse starts Chromium, as Debian has it, on the pages of site. Screenshots
// go to the folder SHUNT_SCREENSHOTS, by default to one that ends with the test.
func browse(t testing.TB, site string) *tab {
	t.Helper()
	dir := t.TempDir()
	b := &tab{t: t, site: site, shots: os.Getenv("SHUNT_SCREENSHOTS")}
	if b.shots == "" {
		b.shots = dir
	} else if err := os.MkdirAll(b.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-background-networking", true))
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(closeTab)
	b.ctx = ctx
	if err := chromedp.Listen(ctx, b.heard); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	b.must(enable(ctx))
	b.size(1360, 900)
	return b
}

// enable has the browser tell of what heard takes down.
func enable(ctx context.Context) error {
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		return err
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	_, err := chromedp.Call(ctx, runtime.Enable, cdp.Empty{})
	return err
}

// heard takes down what a page does wrong.
func (b *tab) heard(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.note("a script failed: " + ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" {
			b.note(fmt.Sprintf("console %s: %v", ev.Type, ev.Args))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == "error" || ev.Entry.Level == "warning" {
			b.note(fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	case *network.EventEventSourceMessageReceived:
		b.mu.Lock()
		b.streams++
		b.mu.Unlock()
	case *network.EventRequestWillBeSent:
		u := ev.Request.URL
		if !strings.HasPrefix(u, b.site+"/") && !strings.HasPrefix(u, "data:") && u != "about:blank" {
			b.note("a request goes elsewhere: " + u)
		}
	}
}

func (b *tab) note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.allowed, func(part string) bool { return strings.Contains(text, part) }) {
		b.wrong = append(b.wrong, text)
	}
}

// expect says what is not wrong from here on, though Chromium writes it to the
// console: what contains one of parts.
func (b *tab) expect(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = parts
}

// innocent fails the test for what pages did wrong.
func (b *tab) innocent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.wrong {
		b.t.Errorf("in the browser: %s", text)
	}
	b.wrong = nil
}

// forgive forgets what pages did wrong.
func (b *tab) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = nil
}

// caught fails the test unless pages did something wrong that contains part,
// and forgives it.
func (b *tab) caught(part string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		found := slices.ContainsFunc(b.wrong, func(text string) bool { return strings.Contains(text, part) })
		if found {
			b.wrong = nil
		}
		b.mu.Unlock()
		if found {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("nobody noticed %q", part)
		}
	}
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
}

// do takes steps in the page.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.must(chromedp.Do(ctx, steps...))
}

// open goes to a page of the site.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site + path))
}

// eval returns what a script yields.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	b.must(err)
	return v
}

// text returns the words of the page, or of the first element that matches.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText.replace(/\s+/g, " ")`, selector))
}

// until waits for a page to say all of these, wherever that is.
func (b *tab) until(selector string, want ...string) {
	b.t.Helper()
	var text string
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText.replace(/\s+/g, " ")`, selector)))
		cancel()
		if err != nil {
			continue // the page is just another
		}
		text = got
		all := true
		for _, w := range want {
			all = all && strings.Contains(text, w)
		}
		if all {
			return
		}
	}
	b.shot("failed")
	b.t.Fatalf("%s does not say %q in time, but: %s", selector, want, text)
}

// press clicks on the button or link that says this, in the first element
// that matches.
func (b *tab) press(within, words string) {
	b.t.Helper()
	script := fmt.Sprintf(`(() => { for (const x of document.querySelectorAll(%q + " button, " + %q + " a, " + %q + " summary"))
		if (x.innerText.trim().startsWith(%q)) { x.scrollIntoView(); x.setAttribute("data-pressed", ""); return true } return false })()`, within, within, within, words)
	for end := time.Now().Add(patience); !eval[bool](b, script); time.Sleep(50 * time.Millisecond) { // the page may be on its way
		if time.Now().After(end) {
			b.shot("failed")
			b.t.Fatalf("%s has nothing that says %q: %s", within, words, b.text(within))
		}
	}
	b.do(chromedp.Click(chromedp.CSS("[data-pressed]")))
}

// fill writes into a field of a form.
func (b *tab) fill(form, field, value string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(fmt.Sprintf("%s [name=%s]", form, field)), value))
}

// size sets how large the window is.
func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// prefer sets whether the person prefers light or dark.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	b.must(err)
}

// scripts says whether the page may run any.
func (b *tab) scripts(may bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !may})
	b.must(err)
}

// shot keeps a picture of the window.
func (b *tab) shot(name string) []byte {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	b.must(err)
	if err := os.WriteFile(filepath.Join(b.shots, name+".png"), png, 0o644); err != nil {
		b.t.Error(err)
	}
	return png
}

// path returns where the page is, without the site.
func (b *tab) path() string {
	b.t.Helper()
	u, err := url.Parse(eval[string](b, "location.href"))
	b.must(err)
	return u.RequestURI()
}
