package rehearse

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/shunt-dns/shunt/internal/chart"
)

//go:embed page.html
var page string

// HTML writes r as one file that needs no other.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"clock": clock, "after": after}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	charts, err := r.charts()
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Report
		Charts []template.HTML
	}{r, charts})
}

// charts draws the shares over time.
func (r *Report) charts() ([]template.HTML, error) {
	var out []template.HTML
	for _, c := range []struct {
		title  string
		series []Series
	}{
		{"Answers of the first node, by pool", r.Answers},
		{"Clients, by pool", r.Clients},
		{"Requests that fail", r.Failing},
	} {
		lines := make([]chart.Line, len(c.series))
		for i, s := range c.series {
			lines[i] = chart.Line{Name: s.Name, At: s.At, Y: s.Y}
		}
		svg, err := chart.Shares(c.title, lines, r.Wrong)
		if err != nil {
			return nil, err
		}
		out = append(out, template.HTML(svg)) // ours, and escaped by whoever drew it
	}
	return out, nil
}
