package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the file of tokens is looked at, at most: so long
// may a token that was revoked still be taken.
const lookEvery = time.Second

// A Keyring has the tokens of a file, and follows it as it changes. Its methods
// may be called from any goroutine.
type Keyring struct {
	path string

	mu      sync.Mutex
	looked  time.Time
	seen    fileStamp
	tokens  []Token
	problem string
}

// A fileStamp tells one state of a file from another.
type fileStamp struct {
	there   bool
	size    int64
	changed time.Time
}

// NewKeyring returns the keyring of the file path, which may not be there yet.
func NewKeyring(path string) *Keyring { return &Keyring{path: path} }

// look reads the file where it has changed. One that cannot be read changes
// nothing, and is tried again.
func (k *Keyring) look(now time.Time) {
	if !k.looked.IsZero() && now.Sub(k.looked) < lookEvery {
		return
	}
	k.looked = now
	var s fileStamp
	info, err := os.Stat(k.path)
	if err == nil {
		s = fileStamp{true, info.Size(), info.ModTime()}
	}
	if s == k.seen && k.problem == "" && s.there {
		return
	}
	list, err := ReadTokens(k.path)
	if err != nil {
		k.problem = err.Error()
		return
	}
	k.seen, k.tokens, k.problem = s, list, ""
}

// Find returns the token that shown is, where it has not ended.
func (k *Keyring) Find(shown string, now time.Time) (Token, bool) {
	hash := sha256.Sum256([]byte(shown))
	return k.find(hash, now)
}

// find looks at all tokens, so that the time it takes tells nothing.
func (k *Keyring) find(hash [sha256.Size]byte, now time.Time) (found Token, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(now)
	for _, t := range k.tokens {
		if subtle.ConstantTimeCompare(t.hash[:], hash[:]) == 1 {
			found, ok = t, now.Before(t.Expires)
		}
	}
	return found, ok
}

// Problem says why the file is not in use as it is now; "" when it is.
func (k *Keyring) Problem() string {
	if k == nil {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(time.Now())
	return k.problem
}
