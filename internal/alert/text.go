package alert

import (
	"fmt"
	"strings"
	"time"
)

// Subject says in one line what m is about.
func Subject(m Message) string {
	if len(m.Items) == 0 {
		return m.Node
	}
	first := m.Items[0]
	text := fmt.Sprintf("%s: %s", m.Node, headline(first))
	if more := len(m.Items) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// headline names an item: its severity or what became of it, code and subject.
func headline(i Item) string {
	word := i.Severity
	switch i.State {
	case Ended:
		word = "over"
	case Lasts:
		word = "still " + i.Severity
	}
	return strings.TrimSpace(word + " " + i.Code + " " + i.Subject)
}

// Text says all of m, for people: a paragraph an item.
func Text(m Message) string {
	var b strings.Builder
	for n, i := range m.Items {
		if n > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n  %s\n", headline(i), i.What)
		switch i.State {
		case Ended:
			fmt.Fprintf(&b, "  held from %s to %s\n", stamp(i.Since), stamp(*i.Ended))
			continue
		case Happened:
			fmt.Fprintf(&b, "  at %s\n", stamp(i.Since))
		default:
			fmt.Fprintf(&b, "  since %s\n", stamp(i.Since))
		}
		if i.Mend != "" {
			fmt.Fprintf(&b, "  %s\n", i.Mend)
		}
	}
	return b.String()
}

// line says one item in one line.
func line(i Item) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s: %s", i.Code, i.Subject, i.What))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
