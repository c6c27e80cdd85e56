package script

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// metricsCommands are those about what the running program tells Prometheus.
func metricsCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"metric": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) == 0 {
				ts.Fatalf("usage: [!] metric SERIES…: regular expressions, each of a whole line")
			}
			want := regexp.MustCompile("(?m)^" + strings.Join(args, " ") + "$")
			if neg {
				if l := want.FindString(metricsText(ts)); l != "" {
					ts.Fatalf("metric: there is %s", l)
				}
				return
			}
			var text string
			if !within(patience, func() bool { text = metricsText(ts); return want.MatchString(text) }) {
				ts.Fatalf("metric: no line %s in\n%s", want, text)
			}
		},
	}
}

// metricsText returns what the program says at /metrics of its control socket.
func metricsText(ts *testscript.TestScript) string {
	socket := ts.MkAbs("shunt.sock")
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	r, err := client.Get("http://shunt/metrics")
	ts.Check(err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	ts.Check(err)
	if r.StatusCode != http.StatusOK {
		ts.Fatalf("GET /metrics: %s\n%s", r.Status, text)
	}
	return string(text)
}
