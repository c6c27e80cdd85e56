package script

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traceCommands are those about receivers of traces.
func traceCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"receiver": func(ts *testscript.TestScript, neg bool, args []string) {
			s := stageOf(ts)
			switch {
			case len(args) == 1 && args[0] == "start":
				positive(ts, neg, "receiver start")
				s.receiver = &traceReceiver{}
				server := httptest.NewServer(s.receiver)
				ts.Defer(server.Close)
				ts.Setenv("RECEIVER", server.URL)
			case len(args) == 2 && args[0] == "has":
				want := regexp.MustCompile("(?m)^" + args[1] + "$")
				found := func() bool { return want.MatchString(s.receiver.text()) }
				if neg && found() || !neg && !within(patience, found) {
					ts.Fatalf("receiver has %s: %v, of\n%s", want, found(), s.receiver.text())
				}
			default:
				ts.Fatalf("usage: receiver start | [!] receiver has REGEXP")
			}
		},
	}
}

// A traceReceiver is one of OTLP over HTTP, which writes a line for each span:
//
//	probe 0 shunt.pool=alpha shunt.monitor=web server.address=127.0.0.11 [connected, first byte]
//
// The number is 2 for a span that failed.
type traceReceiver struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *traceReceiver) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *traceReceiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := gzip.NewReader(q.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(body)
	var m collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				fmt.Fprintf(&r.b, "%s %d", s.Name, s.Status.GetCode())
				for _, a := range s.Attributes {
					fmt.Fprintf(&r.b, " %s=%s", a.Key, a.Value.GetStringValue())
				}
				var events []string
				for _, e := range s.Events {
					events = append(events, e.Name)
				}
				fmt.Fprintf(&r.b, " [%s] %s %s\n", strings.Join(events, ", "), s.Status.GetMessage(), q.Header.Get("X-Team"))
			}
		}
	}
}
