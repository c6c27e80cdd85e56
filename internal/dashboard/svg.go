package dashboard

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/shunt-dns/shunt/internal/drill"
)

// What is drawn here holds no style and no script of its own: classes lead to
// the style sheet, and what it shows is said in words beside it.

// A part is one pool of a bar.
type part struct {
	Pool    string
	Class   string  // of its color
	Percent float64 // of the bar
	Rate    float64 // answers a second; 0 where none were measured
}

// bar draws parts beside one another.
func bar(parts []part) template.HTML {
	var b strings.Builder
	b.WriteString(`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="empty" width="1000" height="10"/>`)
	x, sum := 0.0, 0.0
	for _, p := range parts {
		sum += p.Percent
	}
	for i, p := range parts {
		w := 10 * p.Percent * 100 / max(sum, 100) // of a union, whose parts are more than the whole
		gap := 4.0
		if i == len(parts)-1 {
			gap = 0
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" width="%.1f" height="10"/>`, p.Class, x, max(w-gap, 1))
		x += w
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers and our own classes
}

// swatch draws the color of a pool.
func swatch(class string) template.HTML {
	return template.HTML(`<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect class="` + template.HTMLEscapeString(class) + `" width="10" height="10" rx="2"/></svg>`)
}

// spark draws latencies, the oldest first; 0 is a gap. There is nothing to
// draw before two are known.
func spark(ms []float32) template.HTML {
	most, known := float32(0), 0
	for _, v := range ms {
		if most = max(most, v); v > 0 {
			known++
		}
	}
	if known < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<svg class="spark" viewBox="0 0 120 24" preserveAspectRatio="none" aria-hidden="true">`)
	most = max(most*1.1, 1)
	all := max(len(ms), 24) // two minutes at least
	x := func(i int) float64 { return float64(all-len(ms)+i) * 120 / float64(all-1) }
	for i := 0; i < len(ms); {
		if ms[i] <= 0 {
			i++
			continue
		}
		b.WriteString(`<polyline points="`)
		for ; i < len(ms) && ms[i] > 0; i++ {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(i), 22-20*float64(ms[i]/most))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers
}

// An area is answers over time, by pool.
type area struct {
	SVG   template.HTML
	Pools []part // with their share of all
	From  int    // seconds after the beginning of the drill
	To    int
	Most  float64 // answers a second, at the top
}

// areas draws the answers of s, one pool on the other. There is nothing to
// draw where nobody answered.
func areas(s *drill.Series, color func(string) string) area {
	n := len(s.At)
	if n == 0 || len(s.Pools) == 0 {
		return area{}
	}
	sums := make([]float64, n)
	totals := make([]float64, len(s.Pools))
	most, all := 0.0, 0.0
	for i := range s.Pools {
		for j, v := range s.Answers[i] {
			sums[j] += float64(v)
			totals[i] += float64(v)
			all += float64(v)
			most = max(most, sums[j])
		}
	}
	if most == 0 {
		return area{}
	}
	var b strings.Builder
	b.WriteString(`<svg class="area" viewBox="0 0 1000 120" preserveAspectRatio="none" aria-hidden="true">`)
	base, w := make([]float64, n), 1000/float64(n)
	a := area{From: s.At[0], To: s.At[n-1], Most: most / float64(max(1, s.Every))}
	for i, pool := range s.Pools {
		for j, v := range s.Answers[i] {
			if v == 0 {
				continue
			}
			h := 118 * float64(v) / most
			fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, color(pool), float64(j)*w, 120-base[j]-h, w+0.3, h)
			base[j] += h
		}
		a.Pools = append(a.Pools, part{Pool: pool, Class: color(pool), Percent: 100 * totals[i] / all})
	}
	b.WriteString(`</svg>`)
	a.SVG = template.HTML(b.String()) // numbers and our own classes
	return a
}
