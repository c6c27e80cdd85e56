//go:build peers && browser

package peers

import (
	"context"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The reports below need Chromium, as Debian has it. They open in a browser as
// the one file that each is, and their plots show their lines: the colors of
// the first of them are on the page.

func TestRehearsalInBrowser(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "report.html")
	if out, err := exec.Command(shunt, "rehearse", "fastly-2021-06-08", "--html", page).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plotted(t, page, map[string][3]uint32{"blue": {0, 114, 178}, "vermilion": {213, 94, 0}, "green": {0, 158, 115}})
}

func TestDrillInBrowser(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	n := serve(t, s.dir)
	answered := traffic(t, n, 200, 5)
	n.run("drill", "start", "alpha", "--for", "3s", "--reason", "for a picture")
	n.until("the drill is over", func() bool { return n.drillReport().Outcome == "succeeded" })
	answered()
	page := filepath.Join(s.dir, "drill.html")
	n.run("drill", "report", "--html", page)
	plotted(t, page, map[string][3]uint32{"blue": {0, 114, 178}, "vermilion": {213, 94, 0}})
}

// plotted opens page in a browser, and looks for lines of these colors.
func plotted(t *testing.T, page string, colors map[string][3]uint32) {
	t.Helper()
	dir := t.TempDir()
	shot := filepath.Join(dir, "page.png")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--window-size=1100,1900", "--screenshot="+shot, "file://"+page)
	if out, err := browser.CombinedOutput(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range colors {
		if n := pixels(picture, c); n < 500 {
			t.Errorf("%d pixels of the page are %s: a line is missing", n, name)
		}
	}
}

// pixels counts those of page that have about the color c.
func pixels(page image.Image, c [3]uint32) (n int) {
	const near = 12
	close := func(a, b uint32) bool { return max(a, b)-min(a, b) <= near }
	for y := page.Bounds().Min.Y; y < page.Bounds().Max.Y; y++ {
		for x := page.Bounds().Min.X; x < page.Bounds().Max.X; x++ {
			r, g, b, _ := page.At(x, y).RGBA()
			if close(r>>8, c[0]) && close(g>>8, c[1]) && close(b>>8, c[2]) {
				n++
			}
		}
	}
	return n
}
