package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// newTLS returns the question of a tls monitor: a handshake, and nothing
// after it.
func newTLS(m config.Monitor, idle *idleConns) (ask, error) {
	cfg, err := tlsConfig(m.TLS.Host, m.TLS.RootCAs)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, at *attempt) {
		at.host = m.TLS.Host
		c, err := connect(ctx, at, m.TLS.Port, cfg)
		if at.err = err; err == nil {
			at.stage = answered
			c.leave(at, idle)
		}
	}, nil
}

// tlsConfig asks for the customer's own name and verifies the certificate
// against it. It keeps no session tickets, for a resumed session does not show
// a certificate that has changed; see [sessions]. X25519 stands before the post-quantum hybrid
// because key agreement is half of what an HTTPS probe costs, and every
// server that has the hybrid has X25519.
func tlsConfig(host, rootCAs string) (*tls.Config, error) {
	pool, err := roots(rootCAs)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		ServerName:       host,
		RootCAs:          pool,
		MinVersion:       tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}, nil
}

// remoteAlert is the operation of an error that is a TLS alert of the server.
// Under TLS 1.3 one about the client, as that it shows no certificate, comes
// when for the client the handshake is over (RFC 8446 §4.4.2.4).
const remoteAlert = "remote error"

// alerted reports whether err is a TLS alert of the server.
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == remoteAlert
}

// badCertEnd returns when the certificates end that err is about; zero when
// it is about something else.
func badCertEnd(err error) time.Time {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return earliestEnd(bad.UnverifiedCertificates)
	}
	return time.Time{}
}

// tlsReason returns why a handshake failed, in words that name the cause; ""
// when err is not about TLS.
func tlsReason(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var bad *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is for %s, not for %s", certNames(name.Certificate), name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return expiredReason(invalid)
	case errors.As(err, &authority):
		return "the certificate is signed by an authority that is not trusted here" + issuer(err)
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + strings.TrimPrefix(invalid.Error(), "x509: ")
	case errors.As(err, &bad):
		return "the certificate is not valid: " + strings.TrimPrefix(bad.Err.Error(), "x509: ")
	case errors.As(err, &record):
		return "what answers does not speak TLS"
	case errors.As(err, &op) && op.Op == remoteAlert:
		return "the handshake was refused with the TLS alert " + strings.TrimPrefix(op.Err.Error(), "tls: ")
	case strings.HasPrefix(err.Error(), "tls: "):
		return "the TLS handshake failed: " + strings.TrimPrefix(err.Error(), "tls: ")
	}
	return ""
}

// expiredReason says which end of its time a certificate has missed. Of both
// x509 says Expired, and in its detail where the clock stands.
func expiredReason(invalid x509.CertificateInvalidError) string {
	if strings.Contains(invalid.Detail, "is before") {
		return "the certificate is not valid before " + day(invalid.Cert.NotBefore)
	}
	return "the certificate ended on " + day(invalid.Cert.NotAfter)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// certNames returns the names that a certificate covers, the first few of
// them; its common name counts for nothing.
func certNames(cert *x509.Certificate) string {
	const most = 3
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name at all"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", printable(strings.Join(names[:most], ", "), 120), len(names)-most)
	}
	return printable(strings.Join(names, ", "), 120)
}

// issuer returns who signed the certificate that err is about, and whether the
// server sends nothing above it: browsers find what is missing by themselves,
// and so hide from people that a chain is incomplete.
func issuer(err error) string {
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) || len(bad.UnverifiedCertificates) == 0 {
		return ""
	}
	chain := bad.UnverifiedCertificates
	if name := chain[len(chain)-1].Issuer.String(); name != "" {
		alone := ""
		if len(chain) == 1 && !bytes.Equal(chain[0].RawIssuer, chain[0].RawSubject) {
			alone = "; the server sends no intermediate certificate"
		}
		return " (" + printable(name, 80) + alone + ")"
	}
	return ""
}
