package admin

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write openapi.json and docs/api.md anew")

// TestOpenAPI holds the description to the table of routes and to the types of
// bodies and answers: names, which are required, and what comments say.
func TestOpenAPI(t *testing.T) {
	d := &describer{schemas: map[string]any{}, comments: map[string]map[string]string{}}
	text := d.document(t)
	hold(t, "openapi.json", text)
	hold(t, filepath.Join("..", "..", "docs", "api.md"), d.page())
}

// hold compares a file with what it is to hold, or writes it.
func hold(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says (go test ./internal/admin -run TestOpenAPI -update writes it)", path)
	}
}

// A describer draws up the description.
type describer struct {
	schemas  map[string]any
	order    []string
	types    map[string]reflect.Type
	comments map[string]map[string]string // by package and type: of each field, and of the type under ""
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

type object = map[string]any

func (d *describer) document(t *testing.T) []byte {
	d.types = map[string]reflect.Type{}
	paths := object{}
	fault := object{"description": "Refused, or failed: the error says why.", "content": object{"application/json": object{"schema": d.schema(reflect.TypeFor[Fault]())}}}
	add := func(rt route, answer object) {
		method, path, _ := strings.Cut(rt.at, " ")
		op := object{"operationId": rt.id, "summary": rt.says, "x-right": rt.right.String(), "responses": object{"200": answer, "default": fault}}
		var params []any
		for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
			params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		for _, p := range rt.query {
			params = append(params, object{"name": p.name, "in": "query", "description": p.says, "schema": object{"type": "string"}})
		}
		if params != nil {
			op["parameters"] = params
		}
		if rt.takes != nil {
			op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(rt.takes))}}}
		}
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(method)] = op
	}
	for _, rt := range routes() {
		add(rt, object{"description": "Done.", "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(rt.gives))}}})
	}
	rt := eventsRoute()
	add(rt, object{"description": "A stream: each event's data is an Event. Or a list.", "content": object{
		"text/event-stream": object{"schema": object{"type": "string"}},
		"application/json":  object{"schema": d.schema(reflect.TypeOf(rt.gives))}}})
	add(route{at: "GET /v1/openapi.json", id: "openapi", right: read, says: "This description."},
		object{"description": "OpenAPI 3.1.", "content": object{"application/json": object{"schema": object{"type": "object"}}}})
	doc := object{
		"openapi": "3.1.0",
		"info": object{"title": "shunt", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "See and steer a running node. Over the control socket whoever may open it may do everything; over listen.web a token says who you are, and what you may do."},
		"servers":  []any{object{"url": "/"}},
		"security": []any{object{"token": []any{}}, object{"session": []any{}}},
		"paths":    paths,
		"components": object{"schemas": d.schemas, "securitySchemes": object{
			"token":   object{"type": "http", "scheme": "bearer", "description": "of shunt token new"},
			"session": object{"type": "apiKey", "in": "cookie", "name": "shunt", "description": "of a browser that is logged in; __Host-shunt over HTTPS"}}},
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// schema returns the schema of typ; of a struct, a reference to it.
func (d *describer) schema(typ reflect.Type) object {
	text := reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case typ == reflect.TypeFor[json.RawMessage]():
		return object{}
	case typ.Kind() == reflect.Pointer:
		return object{"anyOf": []any{d.schema(typ.Elem()), object{"type": "null"}}}
	case typ.Implements(text):
		return object{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.Struct:
		return d.structure(typ)
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": d.schema(typ.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(typ.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

// structure describes typ among the components.
func (d *describer) structure(typ reflect.Type) object {
	name := d.name(typ)
	ref := object{"$ref": "#/components/schemas/" + name}
	if d.types[name] == typ {
		return ref
	}
	d.types[name] = typ
	d.order = append(d.order, name)
	props, required := object{}, []string{}
	d.fields(typ, props, &required)
	s := object{"type": "object", "properties": props}
	if len(required) > 0 {
		s["required"] = required
	}
	if says := d.comment(typ, ""); says != "" {
		s["description"] = says
	}
	d.schemas[name] = s
	return ref
}

// name is what typ is called: with its package where that is another one and
// the name is taken.
func (d *describer) name(typ reflect.Type) string {
	name := typ.Name()
	if was := d.types[name]; was != nil && was != typ {
		pkg := filepath.Base(typ.PkgPath())
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

func (d *describer) fields(typ reflect.Type, props object, required *[]string) {
	for f := range structFields(typ) {
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			d.fields(inner, props, required)
			continue
		}
		if tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		s := d.schema(f.Type)
		if says := d.comment(typ, f.Name); says != "" {
			s = maps.Clone(s)
			s["description"] = says
		}
		props[tag] = s
		if !strings.Contains(opts, "omit") {
			*required = append(*required, tag)
		}
	}
}

// structFields are the exported fields of typ.
func structFields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if f := typ.Field(i); (f.IsExported() || f.Anonymous) && !yield(f) {
				return
			}
		}
	}
}

// comment returns what the source says of a field of typ; of typ where field is
// "".
func (d *describer) comment(typ reflect.Type, field string) string {
	key := typ.PkgPath() + "." + typ.Name()
	own, ok := strings.CutPrefix(typ.PkgPath(), "github.com/shunt-dns/shunt/")
	if !ok {
		return ""
	}
	if d.comments[key] == nil {
		d.read(typ.PkgPath(), filepath.Join("..", "..", own))
	}
	return d.comments[key][field]
}

// read takes in the comments of a package.
func (d *describer) read(pkg, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				ts, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				says := map[string]string{"": strings.Join(strings.Fields(g.Doc.Text()), " ")}
				if st, ok := ts.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, n := range f.Names {
							says[n.Name] = strings.TrimSpace(f.Comment.Text())
						}
					}
				}
				d.comments[pkg+"."+ts.Name.Name] = says
			}
		}
	}
}

// page returns docs/api.md.
func (d *describer) page() []byte {
	var b strings.Builder
	b.WriteString(apiIntro)
	b.WriteString("## Operations\n")
	all := append(routes(), eventsRoute())
	for _, rt := range all {
		fmt.Fprintf(&b, "\n### `%s`\n\n%s Needs the right to %s.\n", rt.at, rt.says, rt.right)
		if len(rt.query) > 0 {
			b.WriteString("\n| query | |\n|---|---|\n")
			for _, p := range rt.query {
				fmt.Fprintf(&b, "| `%s` | %s |\n", p.name, p.says)
			}
		}
		if rt.takes != nil {
			fmt.Fprintf(&b, "\nTakes %s.", d.link(reflect.TypeOf(rt.takes)))
		} else {
			b.WriteString("\nTakes no body.")
		}
		fmt.Fprintf(&b, " Gives %s.\n", d.link(reflect.TypeOf(rt.gives)))
	}
	b.WriteString("\n## Types\n")
	for _, name := range slices.Sorted(slices.Values(d.order)) {
		typ := d.types[name]
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", name, d.comment(typ, ""))
		if typ.NumField() > 0 {
			b.WriteString("| field | type | |\n|---|---|---|\n")
			d.rows(&b, typ)
		}
	}
	return []byte(strings.ReplaceAll(b.String(), "\n\n\n", "\n\n"))
}

func (d *describer) rows(b *strings.Builder, typ reflect.Type) {
	for f := range structFields(typ) {
		tag, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			d.rows(b, inner)
			continue
		}
		if tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		may := ""
		if strings.Contains(opts, "omit") {
			may = ", may be absent"
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", tag, d.link(f.Type), may, strings.ReplaceAll(d.comment(typ, f.Name), "|", "\\|"))
	}
}

// link writes typ in words.
func (d *describer) link(typ reflect.Type) string {
	s := d.schema(typ)
	switch {
	case typ.Kind() == reflect.Pointer:
		return d.link(typ.Elem()) + " or null"
	case s["$ref"] != nil:
		name := filepath.Base(s["$ref"].(string))
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	case typ.Kind() == reflect.Slice && s["type"] == "array":
		return "list of " + d.link(typ.Elem())
	case typ.Kind() == reflect.Map:
		return "object of " + d.link(typ.Elem())
	case s["format"] == "date-time":
		return "time"
	case s["type"] == nil:
		return "any"
	}
	return s["type"].(string)
}

const apiIntro = `# API

The HTTP API of a running node. The command line uses nothing else. This page is made from the code; the same, for machines, is
` + "`GET /v1/openapi.json`" + ` (OpenAPI 3.1).

Over the control socket whoever may open it may do everything. Over ` + "`listen.web`" + ` a token says who you are:

` + "```console" + `
curl --unix-socket /run/shunt/shunt.sock http://shunt/v1/status
curl -H "Authorization: Bearer $TOKEN" https://ns1.example.net:8053/v1/status
curl -NH "Authorization: Bearer $TOKEN" https://ns1.example.net:8053/v1/events?after=0
` + "```" + `

See [operations](operations.md#api-and-dashboard) for tokens, rights and the audit log. Bodies and answers are JSON. An answer that
is not 200 is a [Fault](#fault):

| status | |
|---|---|
| 400 | the request is wrong, or cannot be done; the error says why |
| 401 | say who you are: no token, or one that is unknown, revoked or ended |
| 403 | the token may only read, or a browser asks for the page of another site |
| 404 | there is no such operation |
| 409 | refused by a safety rule: ` + "`anyway`" + ` does it all the same |
| 421 | the name in the URL is none of ours (without tokens) |
| 429 | too many wrong tokens, or requests that the token may not make, from this address |
| 503 | too many follow events |

Fields may be added to answers; those that are there stay as they are.

`

// TestRoutesAreDescribed: every route is in the description that is served, and
// nothing else is.
func TestRoutesAreDescribed(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, rt := range append(routes(), eventsRoute()) {
		want = append(want, rt.at+" "+rt.id)
	}
	want = append(want, "GET /v1/openapi.json openapi")
	for path, ops := range doc.Paths {
		for method, op := range ops {
			got = append(got, strings.ToUpper(method)+" "+path+" "+op.OperationID)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("described are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	mux := http.NewServeMux()
	for _, at := range want { // patterns that clash would panic
		mux.HandleFunc(strings.Join(strings.Fields(at)[:2], " "), http.NotFound)
	}
}
