package rehearse

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// fields calls the reader of each key of n, and refuses keys that have none.
func (p *parser) fields(n *yaml.Node, what string, readers map[string]func(*yaml.Node), required ...string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		p.wrong(n.Line, what+" must have keys", "write key: value")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := readers[key.Value]
		switch {
		case seen[key.Value]:
			p.wrong(key.Line, fmt.Sprintf("%s has the key %q twice", what, clip(key.Value)), "keep one of them")
		case read == nil:
			p.wrong(key.Line, fmt.Sprintf("%s has no key %q", what, clip(key.Value)), "the keys are: "+list(readers))
		default:
			read(value)
		}
		seen[key.Value] = true
	}
	for _, key := range required {
		if !seen[key] {
			p.wrong(n.Line, fmt.Sprintf("%s lacks the key %s", what, key), "")
		}
	}
}

// list writes the keys of m in order.
func list[K ~string, V any](m map[K]V) string {
	words := make([]string, 0, len(m))
	for k := range m {
		words = append(words, string(k))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// clip shortens text for a message.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// items calls read with each item of a list.
func (p *parser) items(n *yaml.Node, what string, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.wrong(n.Line, what+" must be a list", "write [ … ] or lines that begin with -")
		return
	}
	for _, it := range n.Content {
		read(it)
	}
}

// text returns the text of a scalar.
func (p *parser) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.wrong(n.Line, what+" must be one value", "")
		return ""
	}
	return n.Value
}

// number reads a number between least and most.
func (p *parser) number(n *yaml.Node, what string, least, most float64) float64 {
	var f float64
	if err := n.Decode(&f); err != nil || n.Kind != yaml.ScalarNode || !(f >= least && f <= most) {
		p.wrong(n.Line, fmt.Sprintf("%s must be a number from %v to %v, not %q", what, least, most, clip(n.Value)), "")
		return least
	}
	return f
}

// count reads a whole number between least and most.
func (p *parser) count(n *yaml.Node, what string, least, most int) int {
	f := p.number(n, what, float64(least), float64(most))
	if f != float64(int(f)) {
		p.wrong(n.Line, what+" must be a whole number", "")
	}
	return int(f)
}

// span reads a duration such as 90m or 2m30s; it may be negative where least
// is.
func (p *parser) span(n *yaml.Node, what string, least time.Duration) time.Duration {
	const most = 400 * 24 * time.Hour
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d < least || d > most {
		p.wrong(n.Line, fmt.Sprintf("%s must be a duration from %v to %v, not %q", what, least, most, clip(n.Value)), "write 45s, 2m30s or 12h")
		return max(least, 0)
	}
	return d
}

func (p *parser) truth(n *yaml.Node, what string) bool {
	var b bool
	if err := n.Decode(&b); err != nil {
		p.wrong(n.Line, what+" must be true or false", "")
	}
	return b
}

func (p *parser) moment(n *yaml.Node, what string) time.Time {
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		p.wrong(n.Line, fmt.Sprintf("%s must be a time such as 2025-11-18T11:20:00Z, not %q", what, clip(n.Value)), "")
	}
	return t
}

// word reads one of the words that m has.
func word[K ~string, V any](p *parser, n *yaml.Node, what string, m map[K]V) K {
	k := K(p.text(n, what))
	if _, ok := m[k]; !ok && k != "" {
		p.wrong(n.Line, fmt.Sprintf("there is no %s %q", what, clip(n.Value)), "there are: "+list(m))
	}
	return k
}
