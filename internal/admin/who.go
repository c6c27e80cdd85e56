package admin

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Rights are what somebody may do.
type Rights struct {
	Read  bool // see everything
	Write bool // change everything that the command line can change
	Feed  bool // say how pools are, as a feed
}

// The rights that there are. Who may write may do everything; a feed may do
// nothing else.
var (
	none  = Rights{}
	read  = Rights{Read: true}
	feed  = Rights{Feed: true}
	write = Rights{Read: true, Write: true, Feed: true}
)

// covers reports whether r has all that need has, but that for what needs more
// than to read, reading need not be among it.
func (r Rights) covers(need Rights) bool {
	switch {
	case need.Write:
		return r.Write
	case need.Feed:
		return r.Feed
	}
	return r.Read
}

// parseRights reads the word of r.
func parseRights(word string) (Rights, bool) {
	switch word {
	case "read":
		return read, true
	case "write":
		return write, true
	case "feed":
		return feed, true
	}
	return none, false
}

// String returns "write", "read", "feed" or "nothing".
func (r Rights) String() string {
	switch {
	case r.Write:
		return "write"
	case r.Read:
		return "read"
	case r.Feed:
		return "feed"
	}
	return "nothing"
}

// A Who is whom a request is from.
type Who struct {
	Name    string // of the token, or of the user at the other end of the control socket; "" for one who need not say
	Via     string // socket, or web and the address
	Rights  Rights
	Feeds   []string // that one may speak for who may only feed
	Session bool     // logged in with a browser, and may log out

	token  [sha256.Size]byte // hash of the token; zero over the control socket, and where nobody needs one
	cookie string            // of the session
}

type whoKey struct{}

// WithWho returns ctx for a request of w.
func WithWho(ctx context.Context, w Who) context.Context { return context.WithValue(ctx, whoKey{}, w) }

// WhoOf returns whom the request of ctx is from; one who may do nothing where
// nobody has said.
func WhoOf(ctx context.Context) Who {
	w, _ := ctx.Value(whoKey{}).(Who)
	return w
}

// speaks returns why w may not speak for the feed source; nil where w may.
func (w Who) speaks(source string) error {
	if w.Rights.Write || slices.Contains(w.Feeds, source) {
		return nil
	}
	return forbidden(fmt.Sprintf("this token may not speak for feed %q", source) + ": it may for " + strings.Join(w.Feeds, ", ") + " (shunt token new NAME --rights feed --feeds FEED)")
}

// A forbidden is what one is told who may not do what they ask for.
type forbidden string

func (f forbidden) Error() string { return string(f) }

// RightsOf returns what the one may do whom the request of ctx is from.
func RightsOf(ctx context.Context) Rights { return WhoOf(ctx).Rights }

// actor returns who the audit log says it was: beside what one says over the
// control socket stands the user, as the kernel knows them.
func actor(r *http.Request, said string) string {
	who := author(r, said)
	if w := WhoOf(r.Context()); w.Name != "" && who == said && said != w.Name {
		return said + " (" + w.Name + ")"
	}
	return who
}

// author returns who is to be noted for a change by r, who may have said so:
// over the control socket the word counts, a token's name stands beside it.
func author(r *http.Request, said string) string {
	w := WhoOf(r.Context())
	switch {
	case said == "" && w.Name == "":
		return "unknown"
	case said == "":
		return w.Name
	case w.Via == viaSocket || w.Name == "" || w.Name == said:
		return said
	}
	return said + " (" + w.Name + ")"
}
