package node

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/admin"
)

// A drill of one of two services that are written alike goes on after a
// restart, and is about that one still.
func TestRestartWhileServicesAreApart(t *testing.T) {
	s := newSite(t)
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	www := "      - {name: www, pools: [alpha, beta], policy: failover, ttl: 5s}\n"
	s.write(strings.Replace(string(text), www, strings.Replace(www, "www", "api", 1)+www, 1))
	s.start()
	s.leads("127.0.0.21")
	r, err := s.api.StartDrill(t.Context(), admin.DrillRequest{Pools: []string{"alpha"}, Services: []string{"www.example.test."}, For: "10m", Reason: "test", Anyway: true})
	if err != nil || r.DryRun {
		t.Fatalf("%v, %+v", err, r)
	}
	s.leads("127.0.0.22")
	s.stop()
	s.start()
	s.leads("127.0.0.22")
	for _, x := range s.status().Services {
		if want := map[string]string{"api.example.test.": "alpha", "www.example.test.": "beta"}[x.Name]; !slices.Equal(x.Answering, []string{want}) {
			t.Errorf("%s is answered by %v, want %s", x.Name, x.Answering, want)
		}
	}
}
