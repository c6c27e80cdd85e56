package script

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// webCommands are those about listen.web.
func webCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"keep": func(ts *testscript.TestScript, neg bool, args []string) {
			positive(ts, neg, "keep")
			if len(args) != 1 {
				ts.Fatalf("usage: keep VARIABLE")
			}
			ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
		},
		"web": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 3 || len(args) > 5 {
				ts.Fatalf("usage: web CODE METHOD PATH [BODY [REGEXP]]")
			}
			args = append(args, make([]string, 5-len(args))...)
			re, err := regexp.Compile("(?m)" + args[4])
			ts.Check(err)
			got, text := "", ""
			// What a file says may take a second to count.
			if !within(patience, func() bool {
				got, text, err = request(ts, args[1], args[2], args[3])
				ts.Check(err)
				return got == args[0] && re.MatchString(text)
			}) {
				ts.Fatalf("%s %s: %s, want %s with %q:\n%s", args[1], args[2], got, args[0], args[4], text)
			}
		},
	}
}

// request asks $WEB, by HTTPS where $CA names a file, as who has $TOKEN. It
// returns status and body.
func request(ts *testscript.TestScript, method, path, body string) (code, text string, err error) {
	req, err := http.NewRequest(method, "http://"+ts.Getenv("WEB")+path, strings.NewReader(body))
	if err != nil {
		return "", "", err
	}
	if token := ts.Getenv("TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(path, "/v1/events") {
		req.Header.Set("Accept", "application/json")
	}
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if ca := ts.Getenv("CA"); ca != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(ts.ReadFile(ca)))
		name, _, _ := net.SplitHostPort(ts.Getenv("WEB"))
		c.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: ts.Getenv("HOST")}}
		if ts.Getenv("HOST") == "" {
			c.Transport.(*http.Transport).TLSClientConfig.ServerName = name
		}
		req.URL.Scheme = "https"
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode), string(got), err
}

// webLine is where listen.web listens, in the line of servingLine.
var webLine = regexp.MustCompile(`\bweb[^a-z0-9]*((?:\d+\.){3}\d+:\d+)`)
