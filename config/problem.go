package config

import (
	"fmt"
	"strings"
)

// A Problem is one thing that keeps a text from being used: what is wrong,
// where it stands, and how to mend it.
type Problem struct {
	File string `json:"file"`           // as the operator named it
	Line int    `json:"line,omitempty"` // from 1; 0 where no line is to blame
	Key  string `json:"key,omitempty"`  // path of the key, as pools[2].cname; "" in a zone file
	What string `json:"what"`           // what is wrong
	Mend string `json:"mend,omitempty"` // what to write instead
}

// String returns p as file:line: key: what (mend).
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Mend != "" {
		b.WriteString(" (" + p.Mend + ")")
	}
	return b.String()
}

// Problems are all that is wrong with a configuration, in file order. It is an
// error when there is at least one.
type Problems []Problem

// Error returns one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
