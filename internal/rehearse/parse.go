package rehearse

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxText is the most octets that a scenario may have.
const maxText = 1 << 20

// maxCount is the largest number of octets or generations in a scenario.
const maxCount = min(1<<40, math.MaxInt)

// Parse reads a scenario. File is what problems call it. It returns every
// problem at once, joined; the scenario is nil then.
func Parse(file string, text []byte) (*Scenario, error) {
	p := &parser{file: file}
	if len(text) > maxText {
		p.wrong(1, fmt.Sprintf("%d octets are too many for a scenario", len(text)), "write at most 1 MiB")
		return nil, p.err()
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		p.wrong(lineIn(err), "this is not YAML: "+strings.TrimPrefix(err.Error(), "yaml: "), "")
		return nil, p.err()
	}
	if len(doc.Content) == 0 {
		p.wrong(1, "the scenario is empty", "write at least id, title and phases")
		return nil, p.err()
	}
	s := p.scenario(doc.Content[0])
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// lineIn returns the line that a message of the YAML parser names.
func lineIn(err error) int {
	line := 1
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		fmt.Sscan(m[1], &line)
	}
	return line
}

// A parser reads one file and notes what is wrong in it.
type parser struct {
	file     string
	problems []error
}

func (p *parser) wrong(line int, what, do string) {
	const most = 50
	if len(p.problems) < most {
		p.problems = append(p.problems, Problem{File: p.file, Line: line, What: what, Do: do})
	}
}

func (p *parser) err() error { return errors.Join(p.problems...) }

func (p *parser) scenario(n *yaml.Node) *Scenario {
	s := &Scenario{}
	p.fields(n, "a scenario", map[string]func(*yaml.Node){
		"id":     func(n *yaml.Node) { s.ID = p.id(n) },
		"title":  func(n *yaml.Node) { s.Title = p.text(n, "title") },
		"source": func(n *yaml.Node) { s.Source = p.text(n, "source") },
		"story":  func(n *yaml.Node) { s.Story = strings.TrimSpace(p.text(n, "story")) },
		"real":   func(n *yaml.Node) { p.real(n, s) },
		"speed":  func(n *yaml.Node) { p.number(n, "speed", 0.001, 1e9) }, // of a replay in real time; virtual time has none
		"phases": func(n *yaml.Node) {
			p.items(n, "phases", func(n *yaml.Node) { s.Phases = append(s.Phases, p.phase(n)) })
		},
		"expect": func(n *yaml.Node) {
			p.items(n, "expect", func(n *yaml.Node) { s.Expect = append(s.Expect, p.expectation(n)) })
		},
		"never": func(n *yaml.Node) { p.items(n, "never", func(n *yaml.Node) { p.never(n, s) }) },
	}, "id", "title", "phases")
	if len(s.Phases) == 0 && len(p.problems) == 0 {
		p.wrong(n.Line, "the scenario has no phases", "write at least one")
	}
	return s
}

// id reads the name of a scenario, by which the command line knows it.
func (p *parser) id(n *yaml.Node) string {
	id := p.text(n, "id")
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(id) {
		p.wrong(n.Line, fmt.Sprintf("the id %q must be of letters a-z, digits and . _ -", clip(id)), "")
	}
	return id
}

func (p *parser) real(n *yaml.Node, s *Scenario) {
	p.fields(n, "real", map[string]func(*yaml.Node){
		"start": func(n *yaml.Node) { s.Start = p.moment(n, "real.start") },
		"end":   func(n *yaml.Node) { s.End = p.moment(n, "real.end") },
	}, "start", "end")
	if s.End.Before(s.Start) {
		p.wrong(n.Line, "the outage ends before it starts", "")
		s.End = s.Start
	}
}

func (p *parser) phase(n *yaml.Node) Phase {
	ph := Phase{Ratio: 1, Line: n.Line}
	var flap Flap
	var flaps bool
	p.fields(n, "a phase", map[string]func(*yaml.Node){
		"at":     func(n *yaml.Node) { ph.At = p.span(n, "at", 0) },
		"for":    func(n *yaml.Node) { ph.For = p.span(n, "for", time.Millisecond) },
		"target": func(n *yaml.Node) { ph.Target = p.text(n, "target") },
		"plane":  func(n *yaml.Node) { ph.Plane = word(p, n, "plane", planes()) },
		"fault":  func(n *yaml.Node) { ph.Fault = p.fault(n) },
		"ratio":  func(n *yaml.Node) { ph.Ratio = p.number(n, "ratio", 0, 1) },
		"by":     func(n *yaml.Node) { ph.By = word(p, n, "by", map[By]bool{ByGeo: true, ByHost: true, ByVantage: true}) },
		"pattern": func(n *yaml.Node) {
			flaps = word(p, n, "pattern", map[string]bool{"flap": true, "steady": true}) == "flap"
		},
		"period":       func(n *yaml.Node) { flap.Period = p.span(n, "period", time.Second) },
		"bad":          func(n *yaml.Node) { p.bad(n, &flap) },
		"paths":        func(n *yaml.Node) { ph.Paths = p.paths(n, "paths") },
		"except_paths": func(n *yaml.Node) { ph.Except = p.paths(n, "except_paths") },
		"assumed":      func(n *yaml.Node) { ph.Assumed = p.truth(n, "assumed") },
	}, "at", "for", "target", "plane", "fault")
	switch {
	case flaps && (flap.Period == 0 || flap.Bad == nil && flap.Share == 0):
		p.wrong(n.Line, "a phase that flaps needs period and bad", "write period: 5m, bad: [1, 0, 1]")
	case !flaps && (flap.Period > 0 || flap.Bad != nil || flap.Share > 0):
		p.wrong(n.Line, "period and bad need pattern: flap", "")
	case flaps:
		ph.Flap = &flap
	}
	if ok := planes()[ph.Plane]; ok != nil && ph.Target != "" {
		if r := roleOf(ph.Target); r == "" {
			p.wrong(n.Line, fmt.Sprintf("the target %q stands for nothing", clip(ph.Target)), "write cdn-a, cdn-b, org, ns1, dnsp-a or v1")
		} else if !slices.Contains(ok, r) {
			p.wrong(n.Line, fmt.Sprintf("%s is %s, and the plane %s is not one of its planes", ph.Target, r, ph.Plane), "")
		}
	}
	return ph
}

// roleOf says what a target stands for; "" for nothing.
func roleOf(target string) role {
	for _, r := range []struct {
		form string
		role role
	}{
		{`^(cdn-[a-z]|org)$`, rolePool}, {`^ns[1-9]$`, roleNode}, {`^v[1-9]$`, roleVantage}, {`^dnsp-[a-z]$`, roleProvider},
	} {
		if regexp.MustCompile(r.form).MatchString(target) {
			return r.role
		}
	}
	return ""
}

// bad reads which periods of a flap are bad: a list of 0 and 1, or a share.
func (p *parser) bad(n *yaml.Node, f *Flap) {
	if n.Kind != yaml.SequenceNode {
		f.Share = p.number(n, "bad", 0.0001, 1)
		return
	}
	f.Bad = []bool{}
	for _, it := range n.Content {
		f.Bad = append(f.Bad, p.count(it, "an item of bad", 0, 1) == 1)
	}
	if len(f.Bad) == 0 {
		p.wrong(n.Line, "bad is empty", "write 1 for each bad period and 0 for each good one")
	}
}

func (p *parser) paths(n *yaml.Node, what string) []string {
	var out []string
	p.items(n, what, func(n *yaml.Node) {
		path := p.text(n, "a path")
		if path != "cached" && path != "uncached" && path != "large" && !strings.HasPrefix(path, "/") {
			p.wrong(n.Line, fmt.Sprintf("%q is no path", clip(path)), "write cached, uncached, large or a path that begins with /")
		}
		out = append(out, path)
	})
	return out
}

func (p *parser) fault(n *yaml.Node) Fault {
	var f Fault
	given := map[param]int{}
	note := func(key param, read func(*yaml.Node)) func(*yaml.Node) {
		return func(n *yaml.Node) { given[key] = n.Line; read(n) }
	}
	p.fields(n, "a fault", map[string]func(*yaml.Node){
		"kind":           func(n *yaml.Node) { f.Kind = word(p, n, "kind of fault", kinds()) },
		string(pStatus):  note(pStatus, func(n *yaml.Node) { f.Status = p.count(n, "status", 100, 599) }),
		string(pMS):      note(pMS, func(n *yaml.Node) { f.Delay = time.Duration(p.number(n, "ms", 0, 3.6e6) * float64(time.Millisecond)) }),
		string(pBytes):   note(pBytes, func(n *yaml.Node) { f.Bytes = p.count(n, "bytes", 0, maxCount) }),
		string(pShare):   func(n *yaml.Node) { f.ShareOver = p.number(n, "when_share_over", 0.0001, 1) },
		string(pKeep):    note(pKeep, func(n *yaml.Node) { f.Keep = p.number(n, "keep", 0, 1) }),
		string(pStep):    note(pStep, func(n *yaml.Node) { f.Step = p.span(n, "by", -10*365*24*time.Hour) }),
		string(pCrash):   note(pCrash, func(n *yaml.Node) { f.Crash = p.span(n, "crash_after", 0) }),
		string(pHold):    note(pHold, func(n *yaml.Node) { f.Hold = p.count(n, "hold_generation", 1, maxCount) }),
		string(pRelease): note(pRelease, func(n *yaml.Node) { f.Release = p.span(n, "release_after", 0) }),
		string(pApply):   note(pApply, func(n *yaml.Node) { f.Apply = p.count(n, "apply_generation", 1, maxCount) }),
		string(pGC):      note(pGC, func(n *yaml.Node) { f.GC = p.count(n, "then_gc_older_than", 0, maxCount) }),
		string(pNote):    func(n *yaml.Node) { f.Note = p.text(n, "note") },
	}, "kind")
	keys, ok := kinds()[f.Kind]
	if !ok {
		return f
	}
	for key, line := range given {
		if _, has := keys[key]; !has {
			p.wrong(line, fmt.Sprintf("a fault of kind %s has no %s", f.Kind, key), "")
		}
	}
	for key, must := range keys {
		if must && given[key] == 0 {
			p.wrong(n.Line, fmt.Sprintf("a fault of kind %s needs %s", f.Kind, key), "")
		}
	}
	return f
}

func (p *parser) expectation(n *yaml.Node) Expectation {
	e := Expectation{Line: n.Line}
	want := func(op string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if e.Op != "" {
				p.wrong(n.Line, "an expectation has one of eq, le and ge", "write one for each")
			}
			e.Op, e.Want = op, p.value(n)
		}
	}
	p.fields(n, "an expectation", map[string]func(*yaml.Node){
		"metric": func(n *yaml.Node) {
			if e.Metric = p.text(n, "metric"); e.Metric != "" && !isMetric(e.Metric) {
				p.wrong(n.Line, fmt.Sprintf("there is no metric %q", clip(e.Metric)), "there are: "+metricNames())
			}
		},
		"eq": want("eq"), "le": want("le"), "ge": want("ge"),
		"at": func(n *yaml.Node) { e.At = p.span(n, "at", 0) },
		"during": func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
				p.wrong(n.Line, "during must be two durations", "write during: [1m, 190m]")
				return
			}
			e.From, e.To = p.span(n.Content[0], "during", 0), p.span(n.Content[1], "during", 0)
			if e.To <= e.From {
				p.wrong(n.Line, "during ends before it begins", "")
			}
		},
	}, "metric")
	if e.Op == "" {
		p.wrong(n.Line, "the expectation says nothing", "write eq, le or ge")
	}
	if (e.Op == "le" || e.Op == "ge") && (e.Want.Is == isWord || e.Want.Is == isTruth) {
		p.wrong(n.Line, fmt.Sprintf("%q cannot be compared by %s", clip(e.Want.Text), e.Op), "write eq")
	}
	return e
}

// value reads what a metric is compared with.
func (p *parser) value(n *yaml.Node) Value {
	v := Value{Text: p.text(n, "the value"), Is: isWord}
	switch n.Tag {
	case "!!bool":
		v.Is = isTruth
		if p.truth(n, "the value") {
			v.Number = 1
		}
	case "!!int", "!!float":
		v.Is, v.Number = isNumber, p.number(n, "the value", -1e15, 1e15)
	default:
		if d, err := time.ParseDuration(v.Text); err == nil {
			v.Is, v.Number = isDuration, d.Seconds()
		}
	}
	return v
}

// never reads one rule, and N0 as the rules that it stands for.
func (p *parser) never(n *yaml.Node, s *Scenario) {
	rule := p.text(n, "a never-rule")
	switch {
	case rule == "N0":
		for _, r := range standard() {
			s.Never = append(s.Never, Never{r, n.Line})
		}
	case rule != "" && !isNever(rule):
		p.wrong(n.Line, fmt.Sprintf("there is no never-rule %q", clip(rule)), "there are: N0, "+neverNames())
	default:
		s.Never = append(s.Never, Never{rule, n.Line})
	}
}
