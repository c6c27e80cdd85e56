package kind

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/config"
)

// An API that says the key again which it refuses does not bring it into our
// logs and status.
func TestErrorsShowNoKey(t *testing.T) {
	const key = "k3y-of-the-account"
	for _, code := range []int{400, 401, 403, 404, 429, 500, 503} {
		echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "unknown key "+r.Header.Get("X-API-Key")+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), code)
		}))
		for _, p := range []config.Provider{
			{Name: "p", Kind: "powerdns", Account: config.Account{Endpoint: echo.URL, Secrets: map[string]config.Secret{"key": config.NewSecret(key)}}},
			{Name: "g", Kind: "gandi", Account: config.Account{Endpoint: echo.URL, Secrets: map[string]config.Secret{"token": config.NewSecret(key)}}},
			{Name: "c", Kind: "cloudflare", Account: config.Account{Endpoint: echo.URL, Secrets: map[string]config.Secret{"token": config.NewSecret(key)}}},
		} {
			opened, err := Open(p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = opened.GetRecords(t.Context(), "example.test."); err == nil || strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "unknown key redacted") {
				t.Errorf("%s, %d: %v", p.Kind, code, err)
			}
		}
		echo.Close()
	}
}
