package resolver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// watchEvery is how often the files of a certificate are looked at.
const watchEvery = 10 * time.Second

// A Keypair is the certificate that encrypted transports show, and its key. It
// can be replaced while connections are open; those keep the old one. Make it
// with ReadKeypair. Its methods may be called from any goroutine.
type Keypair struct {
	log     *slog.Logger
	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	files   [2]string // certificate, key
	seen    [2]stamp  // of the files when they were last read
	problem string    // why they are not in use; "" when they are
}

// A stamp is what tells one state of a file from another.
type stamp struct {
	size    int64
	changed time.Time
}

// ReadKeypair reads a certificate, with the chain that leads to its authority
// behind it, and its key, both PEM. The error says which file is at fault, and
// how; that a certificate has ended is none.
func ReadKeypair(certificate, key string, log *slog.Logger) (*Keypair, error) {
	k := &Keypair{log: log}
	if err := k.read(certificate, key); err != nil {
		return nil, err
	}
	return k, nil
}

// Use takes these files into use, which may be the same as before. Where they
// cannot be, what is in use stays, the log says why, and Problem does until
// they can: Watch tries again.
func (k *Keypair) Use(certificate, key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.use(certificate, key)
}

func (k *Keypair) use(certificate, key string) {
	old := k.current.Load().Leaf
	switch err := k.read(certificate, key); {
	case err != nil && err.Error() != k.problem:
		k.problem = err.Error()
		k.log.Error("the certificate is not taken into use, the old one stays", "error", err, "old_ends", old.NotAfter)
	case err == nil && (k.problem != "" || !k.current.Load().Leaf.Equal(old)):
		k.problem = ""
		k.log.Info("certificate in use", "file", certificate, "ends", k.current.Load().Leaf.NotAfter)
	}
}

// read reads and checks the files, and stores what they hold.
func (k *Keypair) read(certificate, key string) error {
	k.files = [2]string{certificate, key}
	k.seen = stampsOf(k.files)
	pair, err := CheckKeypair(certificate, key)
	if err != nil {
		return err
	}
	now, old := time.Now(), k.current.Load()
	if old != nil && now.After(pair.Leaf.NotAfter) && now.Before(old.Leaf.NotAfter) {
		return fmt.Errorf("the certificate in %s ended at %s, before the one in use", certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	k.current.Store(pair)
	return nil
}

// CheckKeypair reads the files as ReadKeypair does.
func CheckKeypair(certificate, key string) (*tls.Certificate, error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", certificate, key, err)
	}
	if pair.Leaf == nil {
		return nil, errors.New(certificate + " holds no certificate")
	}
	return &pair, nil
}

// stampsOf looks at the files. One that is not there has the zero stamp.
func stampsOf(files [2]string) (s [2]stamp) {
	for i, f := range files {
		if info, err := os.Stat(f); err == nil {
			s[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return s
}

// Watch takes the files into use again whenever they change, until ctx ends.
func (k *Keypair) Watch(ctx context.Context) { k.watch(ctx, watchEvery) }

func (k *Keypair) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.mu.Lock()
			if k.problem != "" || stampsOf(k.files) != k.seen {
				k.use(k.files[0], k.files[1])
			}
			k.mu.Unlock()
		}
	}
}

// Problem says why the files are not in use, "" when they are.
func (k *Keypair) Problem() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// Ends returns when the certificate in use ends, and whether that is so soon
// that its renewal is late: within 14 days, or in the last sixth of its life
// where that is shorter.
func (k *Keypair) Ends(now time.Time) (end time.Time, late bool) {
	leaf := k.current.Load().Leaf
	const most = 14 * 24 * time.Hour
	return leaf.NotAfter, leaf.NotAfter.Sub(now) < min(most, leaf.NotAfter.Sub(leaf.NotBefore)/6)
}

// ServerConfig returns the settings of another server that shows k, and speaks
// these protocols (RFC 7301) over TLS 1.2 or later.
func (k *Keypair) ServerConfig(protocols ...string) *tls.Config { return k.config(protocols...) }

// config returns the settings of a server that speaks these protocols
// (RFC 7301) over TLS 1.2 or later.
func (k *Keypair) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current.Load(), nil },
	}
}
