package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/admin"
	"github.com/shunt-dns/shunt/internal/controller"
	"github.com/shunt-dns/shunt/internal/node"
)

const stageConfig = `node: {name: ns1.example.test, state_dir: state}
listen: {dns: ["127.0.0.1:0"], control: shunt.sock, web: ["127.0.0.1:0"], TOKENS}
alerts: [{name: hook, webhook: {url: "http://127.0.0.1:9/"}}]
pools:
  - {name: alpha, addresses: [127.0.0.31]}
  - {name: beta, addresses: [127.0.0.32]}
  - {name: gamma, addresses: [127.0.0.33]}
feeds:
  - {name: rum}
  - {name: am, role: observe}
zones:
  - name: example.test
    services:
      - {name: www, pools: [alpha, beta, gamma], policy: failover, ttl: 5s}
`

// A stage is a node that runs, and whom its web address answers.
type stage struct {
	*testing.T
	dir    string
	url    string
	socket string
	node   *node.Node
	stop   func()
	spec   *jsonschema.Compiler
	heard  map[string]bool // operations that were answered with 200
}

// open runs a node; with tokens it has those of "reader" and "writer".
func open(t *testing.T, tokens bool) (s *stage, reader, writer string) {
	s = &stage{T: t, dir: t.TempDir(), heard: map[string]bool{}}
	own := ""
	if tokens {
		own = "tokens: tokens"
		reader, writer = s.token("reader", "read", time.Hour), s.token("writer", "write", time.Hour)
	}
	path := filepath.Join(s.dir, "shunt.yaml")
	s.socket = filepath.Join(s.dir, "shunt.sock")
	if err := os.WriteFile(path, []byte(strings.Replace(stageConfig, "TOKENS", own, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(path, config.Overrides{}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := controller.Load(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.node, err = node.Open(l, node.Options{Load: load, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		if err := s.node.Run(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	s.stop = func() { cancel(); over.Wait() }
	t.Cleanup(s.stop)
	<-s.node.Serving()
	s.url = "http://" + s.node.AddrsWeb()[0].String()
	s.describe()
	return s, reader, writer
}

// token makes a token, and writes it to the file.
func (s *stage) token(name, rights string, lasts time.Duration) string {
	s.Helper()
	path := filepath.Join(s.dir, "tokens")
	list, err := admin.ReadTokens(path)
	if err != nil {
		s.Fatal(err)
	}
	made, shown, err := admin.NewToken(name, rights, time.Now().Add(lasts))
	if err != nil {
		s.Fatal(err)
	}
	if err := admin.WriteTokens(path, append(list, made), ""); err != nil {
		s.Fatal(err)
	}
	return shown
}

// describe makes the schemas ready: no field may come that they do not have.
func (s *stage) describe() {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(admin.OpenAPI))
	if err != nil {
		s.Fatal(err)
	}
	for _, v := range doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		v.(map[string]any)["additionalProperties"] = false
	}
	s.spec = jsonschema.NewCompiler()
	s.spec.AssertFormat()
	if err := s.spec.AddResource("openapi.json", doc); err != nil {
		s.Fatal(err)
	}
}

// valid holds an answer to the schema of its operation.
func (s *stage) valid(method, route string, code int, body []byte) {
	s.Helper()
	op := "openapi.json#/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(route) + "/" + strings.ToLower(method) + "/responses/"
	part := "default"
	if code == http.StatusOK {
		part = "200"
		s.heard[method+" "+route] = true
	}
	schema, err := s.spec.Compile(op + part + "/content/application~1json/schema")
	if err != nil {
		s.Fatalf("%s %s: %v", method, route, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		s.Fatalf("%s %s: %v in %s", method, route, err, body)
	}
	if err := schema.Validate(v); err != nil {
		s.Errorf("%s %s, %d: %v\n%s", method, route, code, err, body)
	}
}

// ask makes a request in words, "PUT /v1/overrides/{pool=alpha} BODY", as who
// shows token ("" shows none), and returns status and body. Headers come as
// "Name: value".
func (s *stage) ask(token, line string, headers ...string) (int, string) {
	s.Helper()
	words := strings.SplitN(line, " ", 3)
	route, path := words[1], words[1]
	if name, rest, ok := strings.Cut(path, "{"); ok {
		inside, end, _ := strings.Cut(rest, "}")
		key, value, _ := strings.Cut(inside, "=")
		route, path = name+"{"+key+"}"+end, name+value+end
	}
	route, _, _ = strings.Cut(route, "?")
	var body io.Reader
	if len(words) == 3 {
		body = strings.NewReader(words[2])
	}
	req, err := http.NewRequestWithContext(s.Context(), words[0], s.url+path, body)
	if err != nil {
		s.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
	resp, err := c.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	if strings.HasPrefix(path, "/v1/") && resp.Header.Get("Content-Type") == "application/json" && route != "/v1/none" {
		s.valid(words[0], route, resp.StatusCode, text)
	}
	if at := resp.Header.Get("Location"); at != "" {
		text = []byte(at + " " + strings.Join(resp.Header.Values("Set-Cookie"), "; "))
	}
	return resp.StatusCode, string(text)
}

// wants makes a request, and holds the answer to a status and a part of it.
func (s *stage) wants(token, line string, code int, part string, headers ...string) string {
	s.Helper()
	got, text := s.ask(token, line, headers...)
	if got != code || !strings.Contains(text, part) {
		s.Errorf("%s: %d %s; want %d with %q", line, got, text, code, part)
	}
	return text
}

// TestEveryOperation answers each operation over listen.web, and holds what
// comes to the description.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	s.wants(reader, "GET /v1/status", 200, `"answering"`)
	s.wants(reader, "GET /v1/explain?name=www.example.test&type=A", 200, `"127.0.0.31"`[1:10])
	s.wants(reader, "GET /v1/explain?name=www.example.test&client=nonsense", 400, "client:")
	s.wants(writer, "POST /v1/pools/{pool=alpha}/probe", 200, "[")
	s.wants(writer, "POST /v1/pools/{pool=alpha}/failback {}", 400, "does not wait")
	s.wants(writer, `PUT /v1/overrides/{pool=alpha} {"force":"down","for":"1h","reason":"a test"}`, 200, `"author": "writer"`)
	s.wants(writer, `PUT /v1/overrides/{pool=beta} {"force":"down","for":"1h","reason":"more","author":"kim"}`, 200, `"author": "kim (writer)"`)
	s.wants(writer, `PUT /v1/overrides/{pool=gamma} {"force":"down","for":"1h","reason":"too much"}`, 409, `"refused": true`)
	s.wants(writer, `PUT /v1/overrides/{pool=gamma} {"force":"down","for":"1h","reason":"too much","anyway":true}`, 200, "")
	s.wants(reader, "GET /v1/status", 200, `"fail_open"`)
	for _, p := range []string{"alpha", "beta", "gamma"} {
		s.wants(writer, "DELETE /v1/overrides/{pool="+p+"}", 200, "{}")
	}
	s.wants(writer, `PUT /v1/freeze {"for":"1h","reason":"a test"}`, 200, `"reason": "a test"`)
	s.wants(reader, "GET /v1/status", 200, `"frozen": {`)
	s.wants(writer, "DELETE /v1/freeze", 200, "{}")
	s.wants(writer, "DELETE /v1/freeze", 400, "nothing is frozen")
	s.wants(writer, "POST /v1/reload {}", 200, `"ok": true`)
	s.wants(writer, `POST /v1/drills {"pools":["alpha"],"for":"1h","reason":"practice","dry_run":true}`, 200, `"outcome": "planned"`)
	s.wants(writer, `POST /v1/drills {"pools":["alpha"],"for":"1h","reason":"practice","anyway":true}`, 200, `"outcome": "running"`)
	s.wants(writer, `POST /v1/drills {"pools":["alpha"],"for":"1h","reason":"twice"}`, 400, "the drill is refused")
	s.wants(reader, "GET /v1/drills", 200, `"running"`)
	s.wants(reader, "GET /v1/drills/{id=latest}", 200, `"forecast"`)
	s.wants(writer, "DELETE /v1/drills/{id=latest}", 200, "stopped by writer")
	s.wants(reader, "GET /v1/status", 200, `"drills"`)
	s.wants(reader, "GET /v1/events?after=0", 200, `"override"`, "Accept: application/json")
	s.wants(reader, "GET /v1/plan", 200, "[]")
	s.wants(reader, "GET /v1/plan?provider=none", 400, "there is no provider")
	s.wants(writer, "POST /v1/publish {}", 200, "[]")
	s.wants(writer, `PUT /v1/feeds/{pool=alpha} {"source":"rum","availability":0.4,"latency_ms":20,"load":0.9}`, 200, `"says": "down"`)
	s.wants(writer, `POST /v1/feeds/alertmanager?source=am {"version":"4","alerts":[{"status":"firing","labels":{"pool":"beta"},"startsAt":"2026-01-01T00:00:00Z"}]}`, 200, `"taken": 1`)
	s.wants(reader, "GET /v1/status", 200, `"feeds"`)
	s.wants(reader, `PUT /v1/feeds/{pool=alpha} {"source":"rum","up":true}`, 403, "")
	s.wants(writer, "DELETE /v1/feeds/{pool=alpha}?source=rum", 200, "{}")
	s.wants(reader, "GET /v1/alerts", 200, `"name": "hook"`)
	s.wants(reader, "POST /v1/alerts/test", 403, "")
	s.wants(writer, "POST /v1/alerts/test?route=hook", 200, `"ok": false`)
	s.wants(writer, "POST /v1/alerts/test?route=nowhere", 400, "there is no route")
	s.wants(reader, "GET /v1/log", 200, `"what": "drill.start"`)
	s.wants(reader, "GET /v1/openapi.json", 200, `"openapi": "3.1.0"`)
	s.wants(reader, "GET /v1/none", 404, "openapi.json")
	s.wants(reader, "GET /metrics", 200, "shunt_build_info")

	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("another method than there is: %d, allowed are %q", resp.StatusCode, resp.Header.Get("Allow"))
	}

	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(admin.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	for path, ops := range doc.Paths {
		for method := range ops {
			op := strings.ToUpper(method) + " " + path
			if !s.heard[op] && op != "POST /v1/pools/{pool}/failback" { // which waits for a fall; test/script has it
				t.Errorf("%s was not answered with 200 here", op)
			}
		}
	}
}

// TestRights: who may do what.
func TestRights(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	for _, c := range []struct {
		who, line string
		code      int
	}{
		{"", "GET /v1/status", 401},
		{"", "GET /v1/events", 401},
		{"", "GET /v1/openapi.json", 401},
		{"", "GET /metrics", 401},
		{"", "DELETE /v1/freeze", 401},
		{"shunt_nonsense", "GET /v1/status", 401},
		{reader, "GET /v1/status", 200},
		{reader, "DELETE /v1/freeze", 403},
		{reader, "POST /v1/pools/{pool=alpha}/probe", 403},
		{writer, "GET /v1/status", 200},
		{writer, "DELETE /v1/freeze", 400},
	} {
		s.wants(c.who, c.line, c.code, "")
	}
	s.wants(reader, "GET /v1/status", 200, "", "Host: anything.example") // a proxy may lead here
	// A browser that other pages send here.
	s.wants("", "POST /v1/reload {}", 403, "", "Sec-Fetch-Site: cross-site")
	s.wants("", "POST /v1/reload {}", 403, "", "Origin: https://evil.example")

	ended := s.token("ended", "write", -time.Second)
	time.Sleep(1100 * time.Millisecond) // the file is looked at each second
	s.wants(ended, "GET /v1/status", 401, "")
	fresh := s.token("fresh", "read", time.Hour)
	time.Sleep(1100 * time.Millisecond)
	s.wants(fresh, "GET /v1/status", 200, "")
	if err := admin.WriteTokens(filepath.Join(s.dir, "tokens"), nil, ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	s.wants(writer, "GET /v1/status", 401, "")
}

// TestLoopbackWithoutTokens: this machine may read, and nobody may write; a name
// that DNS leads here does not count.
func TestLoopbackWithoutTokens(t *testing.T) {
	t.Parallel()
	s, _, _ := open(t, false)
	s.wants("", "GET /v1/status", 200, "")
	s.wants("", "GET /metrics", 200, "")
	s.wants("", "GET /v1/status", 200, "", "Host: localhost:8053")
	s.wants("", "GET /v1/status", 200, "", "Host: [::1]:8053")
	s.wants("", "GET /v1/status", 421, "listen.tokens", "Host: rebound.example")
	s.wants("", "DELETE /v1/freeze", 403, "right to write, which nobody has over listen.web as long as listen.tokens names no file")
	s.wants("", `PUT /v1/feeds/{pool=alpha} {"source":"rum","up":true}`, 403, "right to feed, which nobody has")
	s.wants("", "POST /v1/reload {}", 403, "")
	// Pages of others cannot read answers; they do not get any, either.
	s.wants("", "GET /v1/plan", 403, "another site", "Sec-Fetch-Site: cross-site")
	s.wants("", "GET /metrics", 403, "another site", "Sec-Fetch-Site: same-site")
	s.wants("", "GET /v1/plan", 200, "", "Sec-Fetch-Site: same-origin")
	s.wants("", "GET /pools", 200, "", "Sec-Fetch-Site: cross-site") // a link leads here
}

// TestLogIn: a browser shows its token once.
func TestLogIn(t *testing.T) {
	t.Parallel()
	s, _, writer := open(t, true)
	form := "Content-Type: application/x-www-form-urlencoded"
	at := s.wants("", "POST /login token="+writer+"&next=/pools", 303, "/pools shunt=", form)
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		if !strings.Contains(at, want) {
			t.Errorf("the cookie %q has no %s", at, want)
		}
	}
	_, rest, _ := strings.Cut(at, "shunt=")
	value, _, _ := strings.Cut(rest, ";")
	cookie := "Cookie: shunt=" + value
	s.wants("", "GET /v1/status", 200, "", cookie)
	s.wants("", "DELETE /v1/freeze", 400, "nothing is frozen", cookie)
	s.wants("", "DELETE /v1/freeze", 403, "", cookie, "Sec-Fetch-Site: cross-site")
	s.wants("", "DELETE /v1/freeze", 403, "", cookie, "Origin: https://evil.example")
	s.wants("", "POST /login token="+writer+"&next=//evil.example/", 303, "/ shunt=", form)
	s.wants("", "POST /logout", 303, "/login", cookie)
	s.wants("", "GET /v1/status", 401, "", cookie)

	for range 5 {
		s.wants("", "POST /login token=shunt_wrong&next=/", 303, "/login?wrong=1", form)
	}
	s.wants("", "POST /login token=shunt_wrong&next=/", 429, "too many", form)
	s.wants("", "POST /login token="+writer+"&next=/", 429, "too many", form)
	s.wants("shunt_wrong", "GET /v1/status", 429, "too many")
	s.wants(writer, "GET /v1/status", 200, "") // who has one is not locked out by others at the same address
}

// TestEvents: a stream tells what happens, and one that was cut off goes on
// where it was.
func TestEvents(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	next, stop := s.follow(reader, "")
	s.wants(writer, `PUT /v1/overrides/{pool=alpha} {"force":"down","for":"1h","reason":"one"}`, 200, "")
	id := next("override")
	next("transition")
	stop()
	s.wants(writer, "DELETE /v1/overrides/{pool=alpha}", 200, "")
	next, stop = s.follow(reader, id)
	next("transition") // what came behind it, also while nobody listened
	next("override")
	stop()
	next, stop = s.follow(reader, "999999999") // of another log: all there is, and a word that others are missing
	next("missed")
	next("override")
	stop()

	next, stop = s.follow(reader, "")
	defer stop()
	if err := admin.WriteTokens(filepath.Join(s.dir, "tokens"), nil, ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if err := admin.NewClient(s.socket).Unfreeze(t.Context()); err == nil {
		t.Error("nothing was frozen")
	}
	if _, err := admin.NewClient(s.socket).Freeze(t.Context(), admin.Change{For: "1h", Reason: "a test"}); err != nil {
		t.Fatal(err)
	}
	next("") // the stream of a token that was revoked ends
}

// follow opens a stream, with a token or a cookie; next waits for an event of a kind, and returns its id;
// for the end of the stream where the kind is "".
func (s *stage) follow(token, after string) (next func(kind string) string, stop func()) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+"/v1/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	if cookie, ok := strings.CutPrefix(token, "Cookie: "); ok {
		req.Header.Set("Cookie", cookie)
	} else {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Last-Event-ID", after)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%v %v", resp, err)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // the head has come: what happens from now on is told
	return func(kind string) string {
		s.Helper()
		id := ""
		for lines.Scan() {
			if x, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = x
			}
			if kind != "" && lines.Text() == "event: "+kind {
				return id
			}
		}
		if kind != "" || ctx.Err() != nil {
			s.Fatalf("the stream ended (%v) without %q", lines.Err(), kind)
		}
		return ""
	}, func() { cancel(); resp.Body.Close() }
}

// TestStreamsAreBounded: too many are told to come back; those that are there
// end with the node.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s, _, _ := open(t, false)
	var streams []func()
	defer func() {
		for _, stop := range streams {
			stop()
		}
	}()
	for range 100 {
		_, stop := s.follow("", "")
		streams = append(streams, stop)
	}
	s.wants("", "GET /v1/events", 503, "follow events already")
	streams[0]()
	for range 100 { // who goes makes room
		if code, _ := s.ask("", "GET /v1/events?after=x"); code != http.StatusBadRequest {
			t.Errorf("a wrong id: %d", code)
		}
	}
	time.Sleep(100 * time.Millisecond)
	_, streams[0] = s.follow("", "")
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// TestAudit: every write is noted, also over the socket, also one that was
// refused; and nothing that is secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	s, reader, writer := open(t, true)
	s.wants(writer, `PUT /v1/overrides/{pool=alpha} {"force":"drain","for":"1h","reason":"ticket 4711"}`, 200, "")
	s.wants(reader, "DELETE /v1/overrides/{pool=alpha}", 403, "")
	s.wants(writer, `PUT /v1/overrides/{pool=none} {"force":"down","for":"1h","reason":"x"}`, 400, "there is no pool")
	c := admin.NewClient(s.socket)
	if err := c.ClearOverride(t.Context(), "alpha"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"alpha", "beta"} {
		if _, err := c.Override(t.Context(), p, admin.Change{Force: "down", For: "1h", Reason: "r", Author: "kim"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Override(t.Context(), "gamma", admin.Change{Force: "down", For: "1h", Reason: "r", Author: "kim"}); err == nil {
		t.Fatal("was not refused")
	}
	list, err := c.Log(t.Context(), "1h")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		via, _, _ := strings.Cut(d.Via, " ")
		who := d.Who
		if said, user, ok := strings.Cut(who, " ("); via == "socket" && ok && user != "" {
			who = said + " as us"
		} else if via == "socket" {
			who = "us"
		}
		got = append(got, fmt.Sprintf("%s by %s over %s: %s %s %v %v", d.What, who, via, d.Subject, d.Outcome, d.Before != nil, d.After != nil))
	}
	want := []string{
		"override.set by writer over web: alpha done false true",
		"override.clear by reader over web: alpha refused true false",
		"override.set by writer over web: none failed false false",
		"override.clear by us over socket: alpha done true false",
		"override.set by kim as us over socket: alpha done false true",
		"override.set by kim as us over socket: beta done false true",
		"override.set by kim as us over socket: gamma refused false false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	file, err := os.ReadFile(filepath.Join(s.dir, "state", admin.AuditFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(file, []byte("\n")); n != len(want) {
		t.Errorf("%d lines on the disk", n)
	}
	if list, err := c.Log(t.Context(), "2999-01-01T00:00:00Z"); err != nil || len(list) != 0 {
		t.Errorf("since the future: %v %v", list, err)
	}

	// No answer shows a token, nor its hash.
	tokens, err := os.ReadFile(filepath.Join(s.dir, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{reader, writer}
	for line := range strings.Lines(string(tokens)) {
		if f := strings.Fields(line); len(f) == 4 && line[0] != '#' {
			secrets = append(secrets, f[3])
		}
	}
	for _, op := range []string{"status", "log", "drills", "events?after=0", "openapi.json"} {
		_, text := s.ask(writer, "GET /v1/"+op, "Accept: application/json")
		for _, secret := range append(secrets, "tokens") {
			if strings.Contains(text, secret) && !(secret == "tokens" && op == "openapi.json") {
				t.Errorf("%s shows %q", op, secret)
			}
		}
	}
}

// TestSlowReader: who does not read holds up nobody.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s, _, _ := open(t, false)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c := admin.NewClient(s.socket)
	began := time.Now()
	for range 20 {
		if _, err := c.Freeze(t.Context(), admin.Change{For: "1h", Reason: strings.Repeat("long ", 300)}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("20 requests took %v beside a slow reader", took)
	}
}
