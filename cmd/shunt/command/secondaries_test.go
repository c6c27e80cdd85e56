package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/resolver/xfr"
)

// TestSecondaryRows: a line for each secondary, and why it is behind.
func TestSecondaryRows(t *testing.T) {
	seen, since := uint32(7), time.Now().Add(-90*time.Second)
	list := []xfr.Secondary{
		{Name: "one", Address: "192.0.2.53:53", State: xfr.InStep, Since: &since, Zones: 3, Serves: 3,
			Transfer: &xfr.Transfer{Kind: xfr.IXFR, Zone: "example.com.", Serial: 9, At: since}},
		{Name: "two", Address: "192.0.2.54:53", State: xfr.Behind, Since: &since, Zones: 3, Serves: 1, Behind: 2, Lag: 90, Error: "it answers REFUSED", ZonesSeen: []xfr.SeenStatus{
			{Zone: "example.com.", Serial: 9, Seen: &seen, State: xfr.Behind}, {Zone: "example.org.", Serial: 9, State: xfr.Silent}, {Zone: "example.net.", Serial: 9, Seen: &seen, State: xfr.InStep}}},
		{Name: "three", Address: "192.0.2.55:53", State: xfr.Unknown},
	}
	var got strings.Builder
	for _, row := range secondaryRows(list)[1:] {
		fmt.Fprintln(&got, strings.Join(row, "|"))
	}
	want := `one|192.0.2.53:53|in step|1m30s|3/3||IXFR example.com. to 9, 1m30s ago|
two|192.0.2.54:53|behind|1m30s|1/3|1m30s||example.com. at 7 of 9, example.org. at ? of 9: it answers REFUSED
three|192.0.2.55:53|unknown||0/0|||
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}
