// Package chart draws shares over time as SVG, for reports that are one file.
// Its value is a [Line]. It draws the same bytes for the same values, and never
// reads or writes a file.
package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Line is a value over time that holds from each moment to the next.
type Line struct {
	Name string
	At   []float64 // seconds, rising
	Y    []float64 // as many
}

// The size of a chart.
const (
	width  = 26 * vg.Centimeter
	height = 7 * vg.Centimeter
	aside  = 7.5 * vg.Centimeter // for the names of the lines
)

// colors tell lines apart also for who sees few colors (Okabe and Ito's set).
func colors() []color.RGBA {
	return []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255}, {230, 159, 0, 255}, {80, 80, 80, 255}}
}

// Shares draws lines whose values lie between 0 and 1, as percentages, and
// shades the times from which to which something was wrong. It returns an svg
// element.
func Shares(title string, lines []Line, wrong [][2]float64) (string, error) {
	p := plot.New()
	p.Title.Text = title
	p.Y.Min, p.Y.Max = 0, 1.02
	p.Y.Tick.Marker = percents{}
	p.X.Tick.Marker = clocks{}
	names := plot.NewLegend()
	names.Top, names.Left, names.Padding = true, true, vg.Points(3)
	p.Add(plotter.NewGrid())
	for _, w := range wrong {
		if err := shade(p, w); err != nil {
			return "", err
		}
	}
	for i, l := range lines {
		if len(l.At) == 0 || len(l.At) != len(l.Y) {
			return "", fmt.Errorf("chart %q: the line %q has %d moments and %d values", title, l.Name, len(l.At), len(l.Y))
		}
		points := make(plotter.XYs, len(l.At))
		for j := range l.At {
			points[j] = plotter.XY{X: l.At[j], Y: l.Y[j]}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return "", fmt.Errorf("chart %q: %w", title, err)
		}
		line.StepStyle = plotter.PostStep
		line.Color = colors()[i%len(colors())]
		line.Width = vg.Points(1.5)
		line.Dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(2)}, {vg.Points(2), vg.Points(2)}}[i/2%3]
		p.Add(line)
		names.Add(l.Name, line)
	}
	c := vgsvg.New(width, height)
	all := draw.New(c)
	p.Draw(draw.Crop(all, 0, -aside, 0, 0))
	names.Draw(draw.Crop(all, width-aside+vg.Points(12), 0, 0, -vg.Points(18)))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("chart %q: %w", title, err)
	}
	text := b.String()
	return text[strings.Index(text, "<svg"):], nil
}

// shade marks a time in which something is wrong.
func shade(p *plot.Plot, w [2]float64) error {
	area, err := plotter.NewPolygon(plotter.XYs{{X: w[0], Y: 0}, {X: w[1], Y: 0}, {X: w[1], Y: 1.02}, {X: w[0], Y: 1.02}})
	if err != nil {
		return fmt.Errorf("chart: shade: %w", err)
	}
	area.Color = color.RGBA{0, 0, 0, 18}
	area.LineStyle.Width = 0
	p.Add(area)
	return nil
}

// percents labels each fifth.
type percents struct{}

// Ticks returns the marks of an axis of shares.
func (percents) Ticks(_, _ float64) []plot.Tick {
	var ts []plot.Tick
	for i := 0; i <= 5; i++ {
		ts = append(ts, plot.Tick{Value: float64(i) / 5, Label: fmt.Sprintf("%d %%", 20*i)})
	}
	return ts
}

// clocks labels times that a person would choose.
type clocks struct{}

// Ticks returns the marks of an axis of seconds.
func (clocks) Ticks(least, most float64) []plot.Tick {
	steps := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
		30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if (most-least)/s.Seconds() <= 10 {
			step = s
			break
		}
	}
	var ts []plot.Tick
	for at := step.Seconds() * float64(int(least/step.Seconds())); at <= most; at += step.Seconds() {
		ts = append(ts, plot.Tick{Value: at, Label: label(time.Duration(at * float64(time.Second)))})
	}
	return ts
}

// label writes d without its zeros: 1h30m, 2d.
func label(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
