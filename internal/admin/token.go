package admin

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/durable"
)

// A Token lets its bearer use the API over the network. It is kept as a hash:
// 32 random octets need no salt, and no slow hash.
type Token struct {
	Name    string
	Rights  Rights
	Expires time.Time // UTC, whole seconds
	Feeds   []string  // that one may speak for who may only feed; none: the one of the token's name
	hash    [sha256.Size]byte
}

// SpeaksFor lists the feeds that the bearer of t may speak for; nil for one who
// may write, who may speak for all, and for one who may not feed.
func (t Token) SpeaksFor() []string {
	switch {
	case t.Rights != feed:
		return nil
	case len(t.Feeds) == 0:
		return []string{t.Name}
	}
	return t.Feeds
}

const (
	// MostTokens is how many tokens a file may hold.
	MostTokens = 1000

	// LongestToken is how long a token may last.
	LongestToken = 398 * 24 * time.Hour

	tokenPrefix  = "shunt_" // so that scanners for leaked secrets know one
	maxTokenFile = 1 << 20  // octets
	mostFeeds    = 10       // that a token names: MostTokens of them fit into a file
)

// errNoToken is for a line of the file that has not the parts of one.
var errNoToken = errors.New("this is no token: name, rights, end, hash, and perhaps feeds (shunt token new writes one)")

// tokenName is what a token may be called.
var tokenName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._@-]{0,61}[a-zA-Z0-9])?$`)

// NewToken makes a token, and returns what its bearer shows: it is written
// down nowhere else. Feeds are those it may speak for, where its right is to
// feed; with none it is the feed of its own name.
func NewToken(name, rights string, expires time.Time, feeds ...string) (t Token, shown string, err error) {
	r, ok := parseRights(rights)
	switch {
	case !tokenName.MatchString(name):
		return t, "", fmt.Errorf("%q is no name for a token (write 1 to 63 letters, digits, and . _ @ - inside)", name)
	case !ok:
		return t, "", fmt.Errorf("%q is no right (write read, write or feed)", rights)
	case len(feeds) > 0 && r != feed:
		return t, "", errors.New("feeds are for the right to feed: who may write speaks for all of them, and who may read for none")
	case len(feeds) > mostFeeds:
		return t, "", fmt.Errorf("a token speaks for at most %d feeds", mostFeeds)
	}
	for _, f := range feeds {
		if !tokenName.MatchString(f) {
			return t, "", fmt.Errorf("%q is no name of a feed", f)
		}
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	shown = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return Token{name, r, expires.UTC().Truncate(time.Second), feeds, sha256.Sum256([]byte(shown))}, shown, nil
}

// line returns t as it stands in a file.
func (t Token) line() string {
	line := fmt.Sprintf("%s %s %s %s", t.Name, t.Rights, t.Expires.Format(time.RFC3339), hex.EncodeToString(t.hash[:]))
	if len(t.Feeds) > 0 {
		line += " " + strings.Join(t.Feeds, ",")
	}
	return line
}

// parseTokens reads the tokens of a file: a line for each, with its name, its
// rights, its end, its hash, and the feeds that it may speak for where those are
// not the one of its name. Empty lines and those that begin with # are left out.
func parseTokens(text []byte) ([]Token, error) {
	var list []Token
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		t, err := parseToken(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		case slices.ContainsFunc(list, func(x Token) bool { return x.Name == t.Name }):
			return nil, fmt.Errorf("line %d: there are two tokens called %s", n, t.Name)
		case len(list) == MostTokens:
			return nil, fmt.Errorf("line %d: there are more than %d tokens", n, MostTokens)
		}
		list = append(list, t)
	}
	return list, lines.Err()
}

func parseToken(line string) (t Token, err error) {
	f := strings.Fields(line)
	if len(f) != 4 && len(f) != 5 {
		return t, errNoToken
	}
	var ok bool
	t.Name = f[0]
	if t.Rights, ok = parseRights(f[1]); !ok {
		return t, fmt.Errorf("%q is no right (write read, write or feed)", f[1])
	}
	if t.Expires, err = time.Parse(time.RFC3339, f[2]); err != nil {
		return t, fmt.Errorf("%q is no moment (as 2026-12-31T00:00:00Z)", f[2])
	}
	hash, err := hex.DecodeString(f[3])
	if err != nil || len(hash) != sha256.Size || !tokenName.MatchString(t.Name) {
		return t, errNoToken
	}
	copy(t.hash[:], hash)
	if len(f) == 4 {
		return t, nil
	}
	t.Feeds = strings.Split(f[4], ",")
	if t.Rights != feed || len(t.Feeds) > mostFeeds || slices.ContainsFunc(t.Feeds, func(name string) bool { return !tokenName.MatchString(name) }) {
		return t, fmt.Errorf("%q is no list of feeds that a token with the right to feed speaks for", f[4])
	}
	return t, nil
}

// ReadTokens reads the file path. A file that is not there holds no token.
func ReadTokens(path string) ([]Token, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTokenFile {
		return nil, fmt.Errorf("%s: %d octets are too many for a file of tokens", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// ChangeTokens replaces the tokens of the file path by what change makes of
// them, and leaves them as they are where that fails. Of several at once each
// changes what the one before left: a token that one revokes does not come back
// with what another adds. Owner is that of WriteTokens.
func ChangeTokens(path, owner string, change func([]Token) ([]Token, error)) error {
	unlock, err := lockFile(path)
	if err != nil {
		return err
	}
	defer unlock()
	list, err := ReadTokens(path)
	if err != nil {
		return err
	}
	if list, err = change(list); err != nil {
		return err
	}
	if err := WriteTokens(path, list, owner); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return nil
}

// WriteTokens replaces the file path by list, in one step. It is for its owner
// alone. Where root writes it that is the user called owner, so that a node which
// becomes that user can read it, and for "" whose it was; else it is who writes.
func WriteTokens(path string, list []Token, owner string) error {
	var b strings.Builder
	b.WriteString("# Tokens of shunt's API: name, rights, end, hash, feeds. shunt token writes this file.\n")
	for _, t := range list {
		b.WriteString(t.line() + "\n")
	}
	uid, err := newOwner(path, owner)
	if err != nil {
		return err
	}
	return durable.ReplaceFor(uid, -1, path, []byte(b.String()))
}

// newOwner returns the number of the user whom WriteTokens gives the file path;
// -1 for who writes it.
func newOwner(path, owner string) (int, error) {
	if os.Geteuid() != 0 {
		return -1, nil
	}
	if owner == "" {
		return ownerOf(path), nil
	}
	u, err := user.Lookup(owner)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}
