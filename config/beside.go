package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// beside opens the file full, which the key at p names by s, as YAML. The
// reader it returns calls the file as an operator finds it from where the
// configuration was found, and its problems count once they are adopted. The
// document is nil when there is none to read, which has been reported.
func (r *reader) beside(p path, s scalar, full string) (*reader, *yaml.Node) {
	name := s.text
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(r.file), name)
	}
	sub := newReader(name)
	text, err := readLimited(full)
	var ps Problems
	switch {
	case errors.As(err, &ps):
		r.problem(p, s, ps[0].What, "split it")
		return sub, nil
	case errors.Is(err, fs.ErrNotExist):
		r.problem(p, s, "there is no file "+full, "a relative path starts at the folder of the configuration")
		return sub, nil
	case err != nil:
		r.problem(p, s, strings.TrimPrefix(err.Error(), "read the configuration: "), "")
		return sub, nil
	}
	if n := separators(text); n > maxSlow {
		r.problem(p, s, fmt.Sprintf("the file %s has %d values or more", full, n), fmt.Sprintf("at most %d are allowed", maxSlow))
		return sub, nil
	}
	doc, err := parseYAML(text)
	switch {
	case err != nil:
		sub.syntax(err, text)
		r.adopt(sub)
		return sub, nil
	case doc == nil:
		r.problem(p, s, "the file "+full+" is empty", "write a list, or leave the key out")
	}
	return sub, doc
}

// adopt takes over the problems of another file, which come after our own.
func (r *reader) adopt(sub *reader) {
	room := min(len(sub.problems), MaxProblems-len(r.problems))
	r.problems = append(r.problems, sub.problems[:room]...)
	r.more += sub.more + len(sub.problems) - room
	if !slices.Contains(r.others, sub.file) {
		r.others = append(r.others, sub.file)
	}
}

// order sorts problems: those of this file first, then those of others as they
// were adopted, each by line.
func (r *reader) order(a, b Problem) int {
	if d := slices.Index(r.others, a.File) - slices.Index(r.others, b.File); d != 0 {
		return d
	}
	return a.Line - b.Line
}
