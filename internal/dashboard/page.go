package dashboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// A page is what every page shows.
type page struct {
	Title   string
	At      string // which part of the site this is, for the navigation
	Node    string
	Version string
	Stamp   string // of the static files
	Live    bool   // the script keeps it up to date
	Stream  string // of events
	Viewer  viewer
	Now     time.Time
	Done    string // what was just done, in a sentence
	Head    headline
	Body    any
}

// parse reads the templates: each page with the layout and the common parts.
func (b *Dashboard) parse() error {
	b.pages = map[string]*template.Template{}
	common, err := template.New("").Funcs(b.funcs()).ParseFS(files, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return err
	}
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := common.Clone()
		if err != nil {
			return err
		}
		if t, err = t.ParseFS(files, name); err != nil {
			return err
		}
		b.pages[strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".html")] = t
	}
	return nil
}

// funcs are what templates can call.
func (b *Dashboard) funcs() template.FuncMap {
	return template.FuncMap{
		"host": host, "hosts": hosts, "percent": percent, "rate": perSecond, "stamp": stamp, "clock": clock, "thousands": thousands, "plural": plural, "count": count,
		"bar": bar, "swatch": swatch, "spark": spark, "join": strings.Join,
		"since": func(t time.Time) string { return age(b.deps.Now().Sub(t)) },
		"left":  func(t time.Time) string { return age(t.Sub(b.deps.Now())) },
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"share": func(f *float64) string { return percent(100 * *f) }, "times100": func(f float64) float64 { return 100 * f },
		"ms":    func(f float64) string { return perSecond(f) + " ms" },
		"words": func(code string) string { return strings.ReplaceAll(code, "-", " ") },
		"title": func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
	}
}

// show answers r with the page called name. The script gets its main part
// alone, and nothing where that is as it was.
func (b *Dashboard) show(w http.ResponseWriter, r *http.Request, name string, code int, p page) {
	s := b.deps.State.Glance()
	p.Stream = b.deps.Stream
	p.Node, p.Version, p.Stamp, p.Viewer, p.Now, p.Head = s.Node, b.deps.Version, b.stamp, b.viewer(r), b.deps.Now(), sumUp(s)
	if !p.Viewer.Known { // who only may log in hears nothing of how things are
		p.Version, p.Head = "", headline{Level: "good"}
	}
	p.Done = done(r)
	live := r.Header.Get("X-Live") != ""
	part := "layout"
	if live {
		part = "live"
	}
	var text bytes.Buffer
	if err := b.pages[name].ExecuteTemplate(&text, part, p); err != nil {
		b.deps.Log.Error("a page cannot be drawn", "page", name, "error", err)
		http.Error(w, "internal error; see the log of the node", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "X-Live, Cookie")
	if live {
		w.Header().Set("X-Stamp", b.stamp)
		sum := sha256.Sum256(text.Bytes())
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("ETag", tag)
		if code == http.StatusOK && r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(code)
	w.Write(text.Bytes()) // fails only when the browser is gone
}

// A message is the body of a page that only says something.
type message struct{ What, Mend string }

// fail answers r with what is wrong, and what to do.
func (b *Dashboard) fail(w http.ResponseWriter, r *http.Request, code int, what, mend string) {
	b.show(w, r, "message", code, page{Title: http.StatusText(code), Body: message{what, mend}})
}

// done says what was done by the form that led here; "" for anything that we
// do not say.
func done(r *http.Request) string {
	q := r.URL.Query()
	text := map[string]string{
		"override":  "The override is set.",
		"clear":     "The override is cleared: the pool follows its probes again.",
		"failback":  "The pool may answer again.",
		"freeze":    "Automation is off.",
		"unfreeze":  "Automation is on again.",
		"drill":     "The drill has begun.",
		"stop":      "The drill has ended.",
		"reload":    "The configuration is read anew and in force.",
		"loggedout": "You are logged out.",
	}[q.Get("done")]
	return text
}
