//go:build peers

package peers

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/cdntest"
)

// issue writes a certificate of ca for ns1.example.test to dir, and its key.
func issue(t *testing.T, ca *cdntest.CA, dir string, end time.Time) {
	t.Helper()
	pair, err := ca.Issue(end, "ns1.example.test", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// listening returns the port that the log names for one kind of listener.
func (n *node) listening(kind string) uint16 {
	n.t.Helper()
	m := regexp.MustCompile(kind + `="?\[([0-9.]+:[0-9]+)`).FindStringSubmatch(n.text())
	if m == nil {
		n.t.Fatalf("the log has no address of %s:\n%s", kind, n.text())
	}
	return netip.MustParseAddrPort(m[1]).Port()
}

// TestKdigEncrypted asks over TLS and HTTPS, with the certificate verified; a
// new one is shown after a reload, and a broken one is not.
func TestKdigEncrypted(t *testing.T) {
	ca, err := cdntest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "shunt.yaml"), strings.Replace(digConfig, `dns: ["127.0.0.1:0"],`,
		`dns: ["127.0.0.1:0"], dot: ["127.0.0.1:0"], doh: ["127.0.0.1:0"], tls: {certificate: cert.pem, key: key.pem},`, 1))
	write(t, filepath.Join(dir, "example.test.zone"), digZone())
	write(t, filepath.Join(dir, "ca.pem"), string(ca.PEM()))
	issue(t, ca, dir, time.Now().AddDate(0, 6, 0))
	n := serve(t, dir)
	trust := fmt.Sprintf("+tls-ca=%s +tls-hostname=ns1.example.test ", filepath.Join(dir, "ca.pem"))
	dot, doh := n.listening("dot"), n.listening("doh")
	for _, c := range []struct {
		name, options string
		port          uint16
		want          []string
	}{
		{"TLS", trust + "www.example.test", dot, []string{"(TLS1.3)", "The certificate is trusted", "www.example.test. 30 IN A 192.0.2.1"}},
		{"TLS, opportunistic", "www.example.test +tls", dot, []string{"(TLS1.3)", "192.0.2.1"}},
		{"TLS, two questions", trust + "+keepopen www.example.test example.test MX", dot, []string{"192.0.2.1", "10 mail.example.test."}},
		{"TLS, long", trust + "big.example.test TXT", dot, []string{"ANSWER: 40;", "Flags: qr aa rd;"}},
		{"TLS, padded", trust + "www.example.test +padding", dot, []string{"PADDING", "Received 468 B"}},
		{"TLS, NSID and subnet", trust + "www.example.test +nsid +subnet=192.0.2.0/24", dot, []string{`"ns1.example.test"`, "CLIENT-SUBNET: 192.0.2.0/24/0"}},
		{"TLS, refused", trust + "www.other.test", dot, []string{"status: REFUSED", "EDE: 20"}},
		{"HTTPS", trust + "www.example.test +https", doh, []string{"HTTP/2-POST", "The certificate is trusted", "192.0.2.1"}},
		{"HTTPS, GET", trust + "www.example.test +https +https-get", doh, []string{"HTTP/2-GET", "192.0.2.1"}},
		{"HTTPS, long", trust + "big.example.test TXT +https", doh, []string{"ANSWER: 40;"}},
		{"HTTPS, padded", trust + "www.example.test +padding +https", doh, []string{"PADDING", "Received 468 B"}},
		{"HTTPS, another path", trust + "www.example.test +https=127.0.0.1/elsewhere", doh, []string{"!192.0.2.1", "404"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := kdig(c.port, c.options)
			for _, w := range c.want {
				if part, not := strings.CutPrefix(w, "!"); strings.Contains(got, part) == not {
					t.Errorf("kdig %s: want %q in\n%s", c.options, w, got)
				}
			}
		})
	}

	before, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	issue(t, ca, dir, time.Now().AddDate(0, 7, 0))
	n.run("reload")
	after, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil || bytes.Equal(before, after) {
		t.Fatal("no new certificate", err)
	}
	if got := kdig(dot, "+tls-pin="+pin(t, after)+" www.example.test"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("with the new certificate's key pinned: %s", got)
	}
	write(t, filepath.Join(dir, "key.pem"), "no key")
	n.run("reload")
	if got := kdig(dot, trust+"www.example.test"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("with a broken key: %s", got)
	}
	alarms := n.status().Alarms
	if len(alarms) != 1 || alarms[0].Code != "certificate-not-used" || alarms[0].Subject != "listen.tls" {
		t.Errorf("alarms: %+v", alarms)
	}
}

// kdig asks the port on loopback and returns what is printed, spaces folded.
func kdig(port uint16, options string) string {
	argv := append([]string{"-d", "@127.0.0.1", "-p", fmt.Sprint(port)}, strings.Fields(options)...)
	out, _ := exec.Command("kdig", argv...).CombinedOutput()
	return folded(string(out))
}

// pin returns what kdig wants of a certificate: the SHA-256 of its public key.
func pin(t *testing.T, text []byte) string {
	t.Helper()
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
