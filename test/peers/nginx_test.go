//go:build peers

package peers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// A fault is how a web server fails for one site; "" is not at all.
type fault string

const (
	healthy    fault = ""
	status500  fault = "500"       // the edge itself answers 500
	outOfOrder fault = "503"       // from one moment to the next, for every connection
	hangs      fault = "hang"      // TLS and then silence
	challenges fault = "challenge" // an interstitial page for supposed bots
	wrongCert  fault = "wrong-cert"
)

// everySite stands for every site of a server.
const everySite = "*"

// A web is one nginx that serves the sites of a test over TLS: an edge of a
// CDN, or the origin behind it.
type web struct {
	*process
	addr    netip.AddrPort // where it serves
	admin   string         // http://…; says which configuration the workers run
	dir     string
	sites   []string
	content string // nginx directives that serve a healthy site
	hole    string // host:port that takes connections and never says a word
	faults  map[string]fault
	round   int // of configurations
}

// startWeb starts nginx at addr for sites, with certificates of ca. Content
// are the directives of a location that serves a healthy site.
func startWeb(t testing.TB, name string, addr netip.AddrPort, ca *cdntest.CA, content string, sites ...string) *web {
	t.Helper()
	admin, err := cdntest.FreePort(addr.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w := &web{
		addr: addr, admin: netip.AddrPortFrom(addr.Addr(), admin).String(), dir: t.TempDir(),
		sites: sites, content: content, hole: blackHole(t), faults: map[string]fault{},
	}
	writeCert(t, w.dir, "good", ca, sites...)
	writeCert(t, w.dir, "wrong", ca, "shop.example.net")
	w.configure(t)
	w.process = start(t, w.dir, name, "nginx", "-e", "stderr", "-p", w.dir, "-c", filepath.Join(w.dir, "nginx.conf"))
	w.until("it serves", w.runs)
	return w
}

// fail makes w fail for site, or everySite, from now on, and
// returns the moment at which that was set off. For a moment the workers of
// before may still answer, unless f is outOfOrder.
func (w *web) fail(t testing.TB, site string, f fault) time.Time {
	t.Helper()
	for _, s := range w.sites {
		if s == site || site == everySite {
			w.faults[s] = f
		}
	}
	began := time.Now()
	w.configure(t)
	w.signal(syscall.SIGHUP)
	w.until("the new configuration runs", w.runs)
	return began
}

// runs reports whether the latest configuration is the one that answers.
func (w *web) runs() bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + w.admin)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return err == nil && string(text) == fmt.Sprint(w.round)
}

// configure writes the configuration that the faults ask for.
func (w *web) configure(t testing.TB) {
	w.round++
	user := "" // who is root keeps reading the test's folders
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	var servers strings.Builder
	for _, site := range w.sites {
		f := w.faults[site]
		cert := "good"
		if f == wrongCert {
			cert = "wrong"
		}
		fmt.Fprintf(&servers, `
	server {
		listen %s ssl;
		server_name %s;
		ssl_certificate %s.pem;
		ssl_certificate_key %s.key;
		location / {
			if (-f %s) { return 503; }
			%s
		}
	}`, w.addr, site, cert, cert, w.mark(t, site, f == outOfOrder), w.location(f))
	}
	write(t, filepath.Join(w.dir, "nginx.conf"), fmt.Sprintf(`%sdaemon off;
worker_processes 1;
worker_shutdown_timeout 1s;
pid nginx.pid;
error_log stderr error;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server { listen %s; return 200 "%d"; }%s
}
`, user, w.admin, w.round, servers.String()))
}

// location returns the directives that answer a request under f.
func (w *web) location(f fault) string {
	switch f {
	case status500:
		return `return 500 "out of order\n";`
	case hangs:
		return "proxy_pass http://" + w.hole + "; proxy_read_timeout 1h;"
	case challenges:
		return `default_type text/html; add_header cf-mitigated challenge always; return 403 "<html><head><title>Just a moment...</title></head></html>";`
	}
	return w.content
}

// mark makes or removes the file whose being there takes site out of order, and
// returns its path.
func (w *web) mark(t testing.TB, site string, there bool) string {
	t.Helper()
	path := filepath.Join(w.dir, site+".out-of-order")
	if there {
		return write(t, path, "")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return path
}

// blackHole returns the address of a listener that never answers.
func blackHole(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the kernel connects; nobody ever accepts
}

// writeCert writes name.pem and name.key for sites.
func writeCert(t testing.TB, dir, name string, ca *cdntest.CA, sites ...string) {
	t.Helper()
	cert, err := ca.Issue(time.Now().AddDate(0, 3, 0), sites...)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".pem"), pemText("CERTIFICATE", cert.Certificate[0]))
	write(t, filepath.Join(dir, name+".key"), pemText("PRIVATE KEY", keyOctets(t, cert)))
}

func keyOctets(t testing.TB, cert tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
