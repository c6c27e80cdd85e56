package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestShares(t *testing.T) {
	lines := []Line{{"alpha", []float64{0, 60, 7200}, []float64{1, 0, 1}}, {"beta & <gamma>", []float64{0, 60, 7200}, []float64{0, 1, 0}}}
	svg, err := Shares("Who answers", lines, [][2]float64{{60, 3600}})
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no well-formed SVG: %v", err)
		}
		if chars, ok := token.(xml.CharData); ok {
			text.Write(chars)
		}
	}
	for _, want := range []string{"Who answers", "alpha", "beta & <gamma>", "40 %", "30m"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the chart does not say %q: %s", want, text.String())
		}
	}
	if !strings.HasPrefix(svg, "<svg") {
		t.Errorf("it begins with %.20q", svg)
	}
	again, err := Shares("Who answers", lines, [][2]float64{{60, 3600}})
	if err != nil || again != svg {
		t.Errorf("the same values gave another chart (%v)", err)
	}
	other, err := Shares("Who answers", lines, nil)
	if err != nil || other == svg {
		t.Errorf("shading shows nothing (%v)", err)
	}
}

func TestSharesRefuses(t *testing.T) {
	for _, l := range []Line{{"empty", nil, nil}, {"uneven", []float64{0, 1}, []float64{0}}} {
		if _, err := Shares("x", []Line{l}, nil); err == nil || !strings.Contains(err.Error(), l.Name) {
			t.Errorf("%s: %v", l.Name, err)
		}
	}
}

func TestLabel(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{{90 * time.Minute, "1h30m"}, {time.Hour, "1h"}, {90 * time.Second, "1m30s"}, {48 * time.Hour, "2d"}, {36 * time.Hour, "36h"}, {0, "0s"}} {
		if got := label(c.d); got != c.want {
			t.Errorf("%v: %q, want %q", c.d, got, c.want)
		}
	}
}
