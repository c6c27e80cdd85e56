package resolver

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

// TestReadKeypair: what is wrong with files, in words.
func TestReadKeypair(t *testing.T) {
	v, other := newVault(t), newVault(t)
	garbage := v.cert + ".txt"
	os.WriteFile(garbage, []byte("no PEM"), 0o600)
	for _, c := range []struct{ cert, key, want string }{
		{v.cert, v.key, ""},
		{v.cert + ".none", v.key, "no such file"},
		{v.cert, v.key + ".none", "no such file"},
		{v.cert, other.key, "does not match"},
		{garbage, v.key, "failed to find"},
		{v.cert, garbage, "failed to find"},
		{v.key, v.cert, "failed to find"},
	} {
		_, err := ReadKeypair(c.cert, c.key, quiet())
		if got := errText(err); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s with %s: %v", c.cert, c.key, err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestUseKeepsWhatWorks: a change that cannot be used leaves the old pair in
// service, says so once, and ends when the files are good again.
func TestUseKeepsWhatWorks(t *testing.T) {
	v := newVault(t)
	var said bytes.Buffer
	k, err := ReadKeypair(v.cert, v.key, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	first := k.current.Load()
	for range 3 {
		k.Use(v.cert, v.key)
	}
	if said.Len() != 0 || !k.current.Load().Leaf.Equal(first.Leaf) {
		t.Errorf("the same files again: %s", said.String())
	}
	os.WriteFile(v.key, []byte("half a key"), 0o600)
	for range 3 {
		k.Use(v.cert, v.key)
	}
	if !k.current.Load().Leaf.Equal(first.Leaf) || !strings.Contains(k.Problem(), "failed to find") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("problem %q, log: %s", k.Problem(), said.String())
	}
	v.issue(t, time.Now().Add(-time.Minute))
	if k.Use(v.cert, v.key); !strings.Contains(k.Problem(), "ended at") || !k.current.Load().Leaf.Equal(first.Leaf) {
		t.Errorf("one that has ended: problem %q", k.Problem())
	}
	v.issue(t, time.Now().Add(2*time.Hour))
	if k.Use(v.cert, v.key); k.Problem() != "" || k.current.Load().Leaf.Equal(first.Leaf) {
		t.Errorf("a good one: problem %q", k.Problem())
	}
	if n := strings.Count(said.String(), "certificate in use"); n != 1 {
		t.Errorf("said %d times that it is in use: %s", n, said.String())
	}
}

// TestWatch: new files are shown to new clients, and open connections go on.
func TestWatch(t *testing.T) {
	s, v := serveSecure(t, settingsForTest())
	k := v.read(t)
	side := newPlain(s.answerer, s.gate, 1, TLS)
	side.tls = k.config("dot")
	to, err := side.listen(addrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { side.serve(); close(ended) }()
	t.Cleanup(func() { side.stop(); <-ended })

	ctx, stop := context.WithCancel(t.Context())
	watching := make(chan struct{})
	go func() { k.watch(ctx, 5*time.Millisecond); close(watching) }()
	t.Cleanup(func() { stop(); <-watching })
	shown := func() time.Time {
		return dialTLS(t, to, v.client("dot")).ConnectionState().PeerCertificates[0].NotAfter
	}
	open, before := dialTLS(t, to, v.client("dot")), shown()
	want := time.Now().Add(5 * time.Hour)
	v.issue(t, want)
	for end := time.Now().Add(5 * time.Second); shown().Equal(before); {
		if time.Now().After(end) {
			t.Fatal("the new certificate is not shown after 5 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
	inUse, late := k.Ends(time.Now())
	if got := shown(); got.Sub(want).Abs() > time.Minute || !got.Equal(inUse) || late {
		t.Errorf("shown: until %v, in use: until %v, issued: until %v", got, inUse, want)
	}
	if _, late := k.Ends(want.Add(-time.Hour)); !late { // of a life of 29 hours
		t.Error("an hour before its end the certificate is not late")
	}
	if got := roundTrip(t, open, dnstest.Frames(dnstest.Ask(t, "www.example.test. A"))); got != wwwLine {
		t.Errorf("the connection from before got %s", got)
	}
}
