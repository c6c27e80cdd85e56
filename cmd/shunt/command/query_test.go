package command

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/admin"
)

// A certificate that has ended says so in the past, and no line ends in a
// space.
func TestReports(t *testing.T) {
	soon, past := time.Now().Add(20*24*time.Hour+time.Minute), time.Now().Add(-294*24*time.Hour-time.Minute)
	var out strings.Builder
	writeReports(&out, []admin.Report{
		{OK: true, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}},
		{Monitor: "web", Endpoint: "192.0.2.1", OK: true, CertEnd: &soon},
		{Monitor: "web", Endpoint: "192.0.2.2", Class: "tls", Reason: "the certificate ended", CertEnd: &past},
	})
	want := `MONITOR    ENDPOINT   RESULT  CONNECT  TLS  WAIT  READ  TOTAL  CERTIFICATE     SEEN
(look-up)  -          ok      -        -    -     -     -      -               192.0.2.1 192.0.2.2
web        192.0.2.1  ok      -        -    -     -     -      ends in 20d
web        192.0.2.2  tls     -        -    -     -     -      ended 294d ago  the certificate ended
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
