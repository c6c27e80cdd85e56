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

// TestReportInBrowser needs Chromium, as Debian has it. The report of a rehearsal opens in a browser as the one file that it is, and
// its plots show their lines: the colors of the first three are on the page.
func TestReportInBrowser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	report, shot := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
	if out, err := exec.Command(shunt, "rehearse", "fastly-2021-06-08", "--html", report).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--window-size=1100,1900", "--screenshot="+shot, "file://"+report)
	if out, err := browser.CombinedOutput(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][3]uint32{"blue": {0, 114, 178}, "vermilion": {213, 94, 0}, "green": {0, 158, 115}} {
		if n := pixels(page, c); n < 500 {
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
