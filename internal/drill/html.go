package drill

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/shunt-dns/shunt/internal/chart"
)

//go:embed page.html
var page string

// HTML writes r as one file that needs no other.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("drill").Funcs(template.FuncMap{
		"stamp": stamp, "points": points1, "after": func(s int) string { return (time.Duration(s) * time.Second).String() },
		"lasted": func() string { return r.Ended.Sub(r.Plan.Began).Round(time.Second).String() },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	charts, err := r.charts()
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		*Report
		What    string
		Figures [][2]string
		Charts  []template.HTML
	}{r, sentence(r.Plan.What()), r.figures(), charts})
}

// charts draws who answered, over time; nothing where nobody did.
func (r *Report) charts() ([]template.HTML, error) {
	s := &r.Series
	if len(s.At) == 0 {
		return nil, nil
	}
	at := make([]float64, len(s.At))
	all := make([]uint64, len(s.At))
	most := uint64(1)
	for j := range s.At {
		at[j] = float64(max(0, s.At[j]-s.Every))
		for i := range s.Pools {
			all[j] += s.Answers[i][j]
		}
		most = max(most, all[j])
	}
	lines := make([]chart.Line, len(s.Pools))
	for i, pool := range s.Pools {
		lines[i] = chart.Line{Name: pool, At: at, Y: make([]float64, len(at))}
		for j, n := range s.Answers[i] {
			if all[j] > 0 {
				lines[i].Y[j] = float64(n) / float64(all[j])
			}
		}
	}
	volume := chart.Line{Name: "answers", At: at, Y: make([]float64, len(at))}
	for j, n := range all {
		volume.Y[j] = float64(n) / float64(most)
	}
	during := [][2]float64{{0, float64(s.At[len(s.At)-1])}}
	if r.Ended != nil {
		during[0][1] = r.Ended.Sub(r.Plan.Began).Seconds()
	}
	var out []template.HTML
	for _, c := range []struct {
		title string
		lines []chart.Line
	}{
		{"Answers, by pool (the drill is shaded)", lines},
		{fmt.Sprintf("Answers, as a share of the most (%.1f a second)", float64(most)/float64(max(1, s.Every))), []chart.Line{volume}},
	} {
		if len(c.lines) == 0 {
			continue
		}
		svg, err := chart.Shares(c.title, c.lines, during)
		if err != nil {
			return nil, err
		}
		out = append(out, template.HTML(svg)) // ours, and escaped by whoever drew it
	}
	return out, nil
}
