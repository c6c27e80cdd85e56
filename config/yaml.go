package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader walks one file and gathers what is wrong with it.
type reader struct {
	file     string // as the operator named it
	problems Problems
	more     int // problems past MaxProblems
	visits   int // values seen, aliases followed
	guesses  int // names suggested in place of dangling ones
	shapes   map[reflect.Type]*shape
	runs     []*run // lifted out of the text

	files      []scalar     // the file: of each zone
	tapped     []tapped     // the files of taps
	ech        []echFile    // of each pool
	maps       []prefers    // whose files are still to be read
	rules      []rawRule    // of safety
	networks   scalar       // places.networks
	secrets    []secretFile // of providers
	alertFiles []alertFile  // secrets of routes, for Load to read
	keyFiles   []keyFile    // of each key
	choose     *chooser     // nil until policies have been read
	others     []string     // further files that problems are in

	lines map[string][]int32 // of the single keys, by dotted path: the key's own line or one per item
	over  map[string]source  // what overrode a single key

	stand func(path string) string // the file to read for one that is named
}

func newReader(file string) *reader {
	return &reader{
		file:   file,
		shapes: make(map[reflect.Type]*shape),
		lines:  make(map[string][]int32),
		over:   make(map[string]source),
	}
}

// problem reports that s, which stands at p, cannot be used.
func (r *reader) problem(p path, s scalar, what, mend string) {
	if len(r.problems) >= MaxProblems {
		r.more++
		return
	}
	file := r.file
	if s.from != "" {
		file = string(s.from)
	}
	r.problems = append(r.problems, Problem{File: file, Line: int(s.line), Key: p.String(), What: what, Mend: mend})
}

// at is a scalar without text, to report a problem at a line.
func at(line int32) scalar { return scalar{line: line} }

// line of a node, with aliases standing where their anchor stands.
func lineOf(n *yaml.Node) int32 { return int32(n.Line) }

// parseYAML returns the one document of text, nil when it is empty, or an
// error of the YAML parser.
func parseYAML(text []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&next); err == nil {
		return nil, fmt.Errorf("line %d: %w", max(1, next.Line), errMany)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

var (
	yamlLine = regexp.MustCompile(`line (\d+): *`)
	errMany  = errors.New("a second YAML document begins here")

	// What yaml says with a line that is one too small.
	yamlShort = regexp.MustCompile(`^did not find expected (<|node content|'-'|key|',')`)
)

// syntax reports an error of the YAML parser about text. It names the line
// in which what it was reading began.
func (r *reader) syntax(err error, text []byte) {
	what, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = strings.Replace(what, m[0], "", 1)
	}
	mend := "quote what begins with * & @ % : or contains a colon and a space; close what is opened"
	switch {
	case errors.Is(err, errMany):
		mend = "remove the line --- and what follows it"
	case strings.Contains(what, "tab"), tabAt(text, line):
		what, mend = "a tab in the indentation", "indent with spaces"
		line = tabbed(text, line)
	case yamlShort.MatchString(what):
		line++
	}
	line = min(line, 1+bytes.Count(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")))
	r.problem(path{index: -1}, at(int32(line)), what, mend)
}

// tabAt reports whether the line has a tab in its indentation.
func tabAt(text []byte, line int) bool {
	all := bytes.SplitN(text, []byte("\n"), line+1)
	return line > 0 && line <= len(all) && tabIn(all[line-1])
}

func tabIn(line []byte) bool {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	return bytes.IndexByte(indent, '\t') >= 0
}

// tabbed returns the first line from line on that has a tab in its
// indentation.
func tabbed(text []byte, line int) int {
	n := 0
	for l := range bytes.Lines(text) {
		n++
		if n >= line && tabIn(l) {
			return n
		}
	}
	return line
}

// A shape is what a mapping may hold, from the tags of its raw struct.
type shape struct {
	names []string
	field []int // of names[i]
	line  int   // field that holds the mapping's line; -1: none
	alone int   // field that a bare scalar fills; -1: none
}

func (r *reader) shape(t reflect.Type) *shape {
	if s := r.shapes[t]; s != nil {
		return s
	}
	s := &shape{line: -1, alone: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("alone") != "" {
			s.alone = i
		}
		key, ok := f.Tag.Lookup("key")
		if !ok {
			if f.Name == "Line" {
				s.line = i
			}
			continue
		}
		s.names = append(s.names, key)
		s.field = append(s.field, i)
	}
	r.shapes[t] = s
	return s
}

// entries calls each with every entry of the mapping n, by the index of its
// key in names. Unknown and repeated keys are reported, merge keys followed.
func (r *reader) entries(p path, n *yaml.Node, names []string, each func(i int, n *yaml.Node)) {
	var seen uint64
	r.merged(p, n, names, &seen, 0, each)
}

func (r *reader) merged(p path, n *yaml.Node, names []string, seen *uint64, depth int, each func(i int, n *yaml.Node)) {
	var merges []*yaml.Node
	var here uint64
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, val := n.Content[k], n.Content[k+1]
		if r.visits++; r.visits > maxVisits {
			return
		}
		if key.Tag == "!!merge" {
			merges = append(merges, val)
			continue
		}
		i := index(names, key)
		if i < 0 {
			r.unknownKey(p, key, names)
			continue
		}
		if here&(1<<i) != 0 {
			r.problem(child(p, names[i]), at(lineOf(key)), "the key stands here twice", "keep one of them")
			continue
		}
		here |= 1 << i
		if *seen&(1<<i) == 0 { // a key of its own outranks a merged one
			*seen |= 1 << i
			each(i, val)
		}
	}
	for _, m := range merges {
		r.merge(p, m, names, seen, depth, each)
	}
}

// merge follows the value of a merge key: a mapping, or a list of mappings of
// which the first to name a key wins.
func (r *reader) merge(p path, n *yaml.Node, names []string, seen *uint64, depth int, each func(i int, n *yaml.Node)) {
	line := at(lineOf(n))
	n = follow(n)
	if depth >= maxMerge {
		r.problem(child(p, "<<"), line, fmt.Sprintf("merge keys are nested deeper than %d", maxMerge), "write the values out")
		return
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for _, it := range items {
		if it = follow(it); it.Kind != yaml.MappingNode {
			r.problem(child(p, "<<"), line, "a merge key needs a mapping", "write <<: *NAME, with &NAME at a mapping")
			continue
		}
		r.merged(p, it, names, seen, depth+1, each)
	}
}

func (r *reader) unknownKey(p path, key *yaml.Node, names []string) {
	what := "there is no such key"
	if key.Kind != yaml.ScalarNode {
		r.problem(p, at(lineOf(key)), "a key must be plain text", known(names))
		return
	}
	mend := known(names)
	if near := nearest(key.Value, names); near != "" {
		mend = "did you mean " + near + "?"
	}
	r.problem(child(p, clip(key.Value)), at(lineOf(key)), what, mend)
}

func index(names []string, key *yaml.Node) int {
	if key.Kind != yaml.ScalarNode {
		return -1
	}
	for i, n := range names {
		if n == key.Value {
			return i
		}
	}
	return -1
}

// child is the path of key below p; p may be the file itself.
func child(p path, key string) path {
	if p.key == "" && p.index < 0 {
		return top(key)
	}
	return p.sub(key)
}

func follow(n *yaml.Node) *yaml.Node {
	for range maxMerge {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// fill reads n into v: a scalar, a list, a mapping, or a pointer to one.
func (r *reader) fill(p path, n *yaml.Node, v reflect.Value) {
	if r.visits++; r.visits > maxVisits {
		return
	}
	n = follow(n)
	switch dst := v.Addr().Interface().(type) {
	case *scalar:
		*dst = r.scalar(p, n)
		return
	case *rawAccount:
		dst.node = n
		return
	case *deferred:
		dst.node = n
		for _, it := range n.Content {
			if u := r.runAt(it); u != nil {
				u.used = true
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if n.Kind == yaml.ScalarNode && n.Tag == "!!null" { // as "icmp:"
			n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
		}
		r.mapping(p, n, v.Elem())
	case reflect.Slice:
		r.list(p, n, v)
	default:
		r.mapping(p, n, v)
	}
}

func (r *reader) mapping(p path, n *yaml.Node, v reflect.Value) {
	s := r.shape(v.Type())
	alone := n.Kind == yaml.ScalarNode && s.alone >= 0
	if s.line >= 0 && (alone || n.Kind == yaml.MappingNode) {
		v.Field(s.line).SetInt(int64(n.Line))
	}
	if alone {
		r.fill(p, n, v.Field(s.alone))
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problem(p, at(lineOf(n)), "this must be a mapping, not "+kindOf(n), "write key: value pairs; "+known(s.names))
		return
	}
	r.entries(p, n, s.names, func(i int, n *yaml.Node) {
		r.fill(child(p, s.names[i]), n, v.Field(s.field[i]))
	})
}

// list reads a sequence. One scalar alone is a list of one.
func (r *reader) list(p path, n *yaml.Node, v reflect.Value) {
	items := n.Content
	if n.Kind != yaml.SequenceNode {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || v.Type().Elem() == reflect.TypeFor[rawMonitor]() {
			r.problem(p, at(lineOf(n)), "this must be a list, not "+kindOf(n), "write its items as - ITEM, or [ITEM, ITEM]")
			v.Set(reflect.MakeSlice(v.Type(), 1, 1)) // an item that is not there: the list was not left out
			return
		}
		items = []*yaml.Node{n}
	}
	if max := listLimit(p); len(items) > max {
		r.problem(p, at(lineOf(n)), fmt.Sprintf("%d items are too many", len(items)), fmt.Sprintf("at most %d are allowed", max))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, it := range items {
		r.fill(p.item(i), it, v.Index(i))
	}
}

// scalar reads one value as it was written: 1.10 stays 1.10.
func (r *reader) scalar(p path, n *yaml.Node) scalar {
	s := at(lineOf(n))
	switch {
	case n.Kind != yaml.ScalarNode:
		r.problem(p, s, "this must be one value, not "+kindOf(n), "")
	case n.Tag == "!!null":
		r.problem(p, s, "the key has no value", "write one, or leave the key out")
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		r.problem(p, s, "tags are not understood", "remove "+clip(n.Tag))
	case len(n.Value) > MaxValue:
		r.problem(p, s, fmt.Sprintf("the value has %d octets", len(n.Value)), fmt.Sprintf("at most %d are allowed", MaxValue))
	default:
		s.text = n.Value
		return s
	}
	s.bad = true
	return s
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return fmt.Sprintf("the value %q", clip(n.Value))
}
