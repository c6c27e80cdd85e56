package config

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ControlSocket returns the path of the control socket that the configuration at
// path names, and who named it, in words for people. Path may be "": no file.
//
// It is for those who look for a running node. That serves on with what it
// read when the file has since come to hold mistakes, so ControlSocket is lenient:
// whatever else the file holds is not looked at. The error wraps that of the
// read.
//
//	flag or SHUNT_LISTEN_CONTROL   listen.control in the file   the path is
//	set                            any                          the flag's, else the variable's
//	-                              readable as YAML             the file's
//	-                              on a line, in broken YAML    the line's
//	-                              none                         DefaultControl
func ControlSocket(path string, o Overrides) (socket, from string, err error) {
	dir := "."
	socket, from = DefaultControl, "the default of listen.control"
	if path != "" {
		text, err := readLimited(path)
		if err != nil {
			return "", "", err
		}
		if full, err := filepath.Abs(path); err == nil {
			dir = filepath.Dir(full)
		}
		if s := controlIn(text); s != "" {
			socket, from = s, "listen.control in "+path
		} else {
			from += ", which " + path + " does not set"
		}
	}
	r := newReader(path)
	for _, s := range append(r.environment(o.Env), o.Flags...) {
		if s.Key == "listen.control" && s.Value != "" {
			socket, from = s.Value, s.From
		}
	}
	return absolute(dir, socket), from, nil
}

// controlIn returns what text sets listen.control to, "" when it does not.
func controlIn(text []byte) string {
	rest, _ := lift(text)
	if separators(rest) > maxSlow {
		return controlLine(text)
	}
	doc, err := parseYAML(rest)
	if err != nil {
		return controlLine(text)
	}
	if doc == nil || follow(doc).Kind != yaml.MappingNode {
		return ""
	}
	doc = follow(doc)
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if doc.Content[i].Value != "listen" {
			continue
		}
		var listen struct {
			Control yaml.Node `yaml:"control"`
		}
		if doc.Content[i+1].Decode(&listen) != nil {
			return controlLine(text)
		}
		if n := follow(&listen.Control); n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
			return n.Value
		}
	}
	return ""
}

// controlKey finds control: PATH in a line, at its beginning or in braces, not
// in a comment.
var controlKey = regexp.MustCompile(`^(?:[^#]*[\s{,])?control[ \t]*:[ \t]+("[^"]*"|'[^']*'|[^\s,}#"']+)`)

// controlLine finds the key in text that is not YAML.
func controlLine(text []byte) string {
	for line := range bytes.Lines(text) {
		if m := controlKey.FindSubmatch(line); m != nil {
			return strings.Trim(string(m[1]), `"'`)
		}
	}
	return ""
}
