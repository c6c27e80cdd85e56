package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/shunt-dns/shunt/internal/admin"
)

// A viewer is who looks on.
type viewer struct {
	Name  string // "" for one who need not say who they are
	Known bool   // may see the pages; who may not is asked to log in
	Write bool   // may change something
	Out   bool   // is logged in, and may log out
	CSRF  string // goes with every form, as its field csrf
}

// viewer returns whom r is from.
func (b *Dashboard) viewer(r *http.Request) viewer {
	who := admin.WhoOf(r.Context())
	return viewer{Name: who.Name, Known: who.Rights.Read, Write: who.Rights.Write, Out: who.Session, CSRF: b.sign(r)}
}

// sign returns what the forms of r's session carry. Browsers already refuse to
// send the cookie of a session along with another site's form; this is for
// those that do not.
func (b *Dashboard) sign(r *http.Request) string {
	mac := hmac.New(sha256.New, b.secret[:])
	for _, c := range r.Cookies() {
		if c.Name == "shunt" || c.Name == "__Host-shunt" { // as admin.Server calls them
			mac.Write([]byte(c.Value))
		}
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
