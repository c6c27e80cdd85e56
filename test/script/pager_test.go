package script

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shunt-dns/shunt/internal/alert"
)

// pagerCommands are those about who hears of alarms.
func pagerCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"pager": func(ts *testscript.TestScript, neg bool, args []string) {
			s := stageOf(ts)
			switch {
			case len(args) == 1 && args[0] == "start":
				positive(ts, neg, "pager start")
				s.pager = &pager{status: http.StatusOK}
				server := httptest.NewServer(s.pager)
				ts.Defer(server.Close)
				ts.Setenv("PAGER", server.URL)
			case len(args) == 2 && args[0] == "answers":
				positive(ts, neg, "pager answers")
				code, err := strconv.Atoi(args[1])
				ts.Check(err)
				s.pager.mu.Lock()
				s.pager.status = code
				s.pager.mu.Unlock()
			case len(args) == 2 && args[0] == "has":
				want := regexp.MustCompile("(?m)^" + args[1] + "$")
				found := func() bool { return want.MatchString(s.pager.text()) }
				if neg && found() || !neg && !within(patience, found) {
					ts.Fatalf("pager has %s: %v, of\n%s", want, found(), s.pager.text())
				}
			default:
				ts.Fatalf("usage: pager start | pager answers CODE | [!] pager has REGEXP")
			}
		},
	}
}

// A pager takes webhooks, and writes a line for each item: the path it came by,
// whether it was signed with the key of the scripts, and
//
//	/hook signed raised critical fail-open www.example.test.
//
// Of who does not speak like our webhook it writes the path and all of the body.
type pager struct {
	mu     sync.Mutex
	status int
	b      strings.Builder
}

// pagerKey is what scripts sign with.
const pagerKey = "of the scripts"

func (p *pager) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || p.status/100 != 2 {
		http.Error(w, "not now", p.status)
		return
	}
	w.WriteHeader(p.status)
	fmt.Fprint(w, `{"status":"success"}`) // PagerDuty's is read
	var m alert.Hook
	if json.Unmarshal(body, &m) != nil || len(m.Items) == 0 {
		fmt.Fprintf(&p.b, "%s %s\n", r.URL.Path, body)
		return
	}
	signed := "unsigned"
	if got := r.Header.Get("Webhook-Signature"); got != "" {
		signed = "forged"
		if got == alert.Sign(pagerKey, r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body) {
			signed = "signed"
		}
	}
	for _, i := range m.Items {
		fmt.Fprintf(&p.b, "%s %s %s %s %s\n", r.URL.Path, signed, i.State, i.Severity, strings.TrimSpace(i.Code+" "+i.Subject))
	}
}
