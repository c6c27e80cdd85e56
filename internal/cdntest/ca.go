package cdntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// A CA is a certificate authority in memory, for tests and the demo alone.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA returns a fresh authority, good for a year. The error is that of the
// system's random source.
func NewCA() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cdntest: %w", err)
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "shunt test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if t.SerialNumber, err = serial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cdntest: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cdntest: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// Issue returns a certificate for names (host names and addresses) that holds
// from a day before the earlier of now and end until end.
func (ca *CA) Issue(end time.Time, names ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cdntest: %w", err)
	}
	begin := time.Now()
	if end.Before(begin) {
		begin = end
	}
	t := &x509.Certificate{
		NotBefore:   begin.AddDate(0, 0, -1),
		NotAfter:    end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	if len(names) > 0 {
		t.Subject.CommonName = names[0] // not all clients can do without any subject
	}
	if t.SerialNumber, err = serial(); err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, key.Public(), ca.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cdntest: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// PEM returns the authority's own certificate.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Pool returns the authority as the only one to trust.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// WriteFile writes PEM to path, for root_cas.
func (ca *CA) WriteFile(path string) error {
	if err := os.WriteFile(path, ca.PEM(), 0o644); err != nil {
		return fmt.Errorf("cdntest: %w", err)
	}
	return nil
}

// certs are what one edge may show.
type certs struct{ good, wrong, expired tls.Certificate }

func issueCerts(ca *CA, host string) (c certs, err error) {
	if c.good, err = ca.Issue(time.Now().AddDate(0, 3, 0), host); err != nil {
		return c, err
	}
	if c.wrong, err = ca.Issue(time.Now().AddDate(0, 3, 0), "edge.cdn.invalid", "*.cdn.invalid"); err != nil {
		return c, err
	}
	c.expired, err = ca.Issue(time.Now().Add(-24*time.Hour), host)
	return c, err
}

func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("cdntest: %w", err)
	}
	return n, nil
}
