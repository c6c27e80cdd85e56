package tap

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dnstap "github.com/dnstap/golang-dnstap"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/dnstest"
	"github.com/shunt-dns/shunt/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is taps at work, and the server that they look on.
type bench struct {
	*testing.T
	taps *Taps
	ear  resolver.Ear
	stop func()
	log  *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func start(t *testing.T, defs ...config.Tap) *bench {
	t.Helper()
	b := &bench{T: t, log: &safeBuffer{}}
	b.taps = New(func(tap resolver.Tap) {
		if b.ear = nil; tap != nil {
			b.ear = tap.Ear()
		}
	}, "ns1.example.test", "1.2.3", slog.New(slog.NewTextHandler(b.log, nil)))
	b.taps.Adopt(defs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.taps.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		began := time.Now()
		cancel()
		if err := <-done; err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("Run ended with %v after %v", err, time.Since(began))
		}
	})
	t.Cleanup(b.stop)
	return b
}

// moment is when the queries of these tests come.
var moment = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// ask has the server answer name once.
func (b *bench) ask(name string) {
	b.Helper()
	query := dnstest.Ask(b, name+" A +subnet=198.51.100.77/32")
	reply := bytes.Clone(query)
	reply[2] |= 0x80
	if b.ear.Wants() {
		b.ear.Hear(resolver.Heard{Query: query, Reply: reply, Client: netip.MustParseAddrPort("192.0.2.77:5300"), At: moment, Transport: resolver.TLS, Pool: "alpha"})
	}
}

// counted waits until the first tap has these totals.
func (b *bench) counted(what string, ok func(Counts) bool) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(b.taps.Counts()[0]); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not %s: %+v\n%s", what, b.taps.Counts(), b.log)
		}
	}
}

// A reader is golang-dnstap's, behind a listener.
type reader struct {
	l      net.Listener
	frames chan []byte
	mu     sync.Mutex
	conns  []net.Conn
	wg     sync.WaitGroup
}

func listen(t *testing.T, network, addr string) *reader {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{l: l, frames: make(chan []byte, 10_000)}
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c)
			r.mu.Unlock()
			r.wg.Go(func() {
				if in, err := dnstap.NewFrameStreamInputTimeout(c, true, 5*time.Second); err == nil {
					in.ReadInto(r.frames)
				}
			})
		}
	})
	t.Cleanup(r.close)
	return r
}

func (r *reader) close() {
	r.l.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *reader) next(t *testing.T) *dnstap.Dnstap {
	t.Helper()
	select {
	case f := <-r.frames:
		return unmarshal(t, f)
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return nil
	}
}

func unmarshal(t *testing.T, frame []byte) *dnstap.Dnstap {
	t.Helper()
	d := &dnstap.Dnstap{}
	if err := proto.Unmarshal(frame, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDnstap: a reader gets both messages of a query over a unix socket and
// over TCP, with the client's network, or the whole client where that is asked
// for.
func TestDnstap(t *testing.T) {
	for _, c := range []struct {
		network, addr string
		shorten       bool
		client, ecs   string
		port          uint32
	}{
		{"unix", filepath.Join(t.TempDir(), "dnstap.sock"), true, "192.0.2.0", "198.51.100.0/32", 0},
		{"tcp", "127.0.0.1:0", false, "192.0.2.77", "198.51.100.77/32", 5300},
	} {
		r := listen(t, c.network, c.addr)
		def := config.Tap{Name: "farm", Kind: config.Dnstap, Sample: 1, Shorten: c.shorten}
		if c.network == "unix" {
			def.Socket = c.addr
		} else {
			def.Address = r.l.Addr().String()
		}
		b := start(t, def)
		b.ask("www.example.test.")
		query, response := r.next(t), r.next(t)
		if string(query.Identity) != "ns1.example.test" || string(query.Version) != "shunt 1.2.3" || query.GetType() != dnstap.Dnstap_MESSAGE {
			t.Errorf("%v", query)
		}
		q, a := query.Message, response.Message
		if q.GetType() != dnstap.Message_AUTH_QUERY || a.GetType() != dnstap.Message_AUTH_RESPONSE || q.GetSocketProtocol() != dnstap.SocketProtocol_DOT || q.GetSocketFamily() != dnstap.SocketFamily_INET {
			t.Errorf("%v, %v", q, a)
		}
		if got := net.IP(q.QueryAddress).String(); got != c.client || q.GetQueryPort() != c.port || net.IP(a.QueryAddress).String() != c.client {
			t.Errorf("over %s: the client is %s, port %d", c.network, got, q.GetQueryPort())
		}
		if at := time.Unix(int64(q.GetQueryTimeSec()), int64(q.GetQueryTimeNsec())); !at.Equal(moment) || a.GetResponseTimeSec() == 0 {
			t.Errorf("asked at %v, answered at %d", at, a.GetResponseTimeSec())
		}
		for _, msg := range [][]byte{q.QueryMessage, a.ResponseMessage} {
			if text := dnstest.Text(msg); !strings.Contains(text, "www.example.test. IN A") || !strings.Contains(text, c.ecs) {
				t.Errorf("over %s: the message is\n%s", c.network, text)
			}
		}
		b.counted("written", func(n Counts) bool { return n == Counts{Name: "farm", Written: 1} })
		b.stop()
	}
}

// TestDnstapReaderComesAndGoes: nothing waits for a reader that is not there,
// what it misses is counted, and it is found again.
func TestDnstapReaderComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnstap.sock")
	b := start(t, config.Tap{Name: "farm", Kind: config.Dnstap, Socket: path, Sample: 1})
	b.ask("a.test.")
	b.counted("lost", func(n Counts) bool { return n.Lost == 1 && n.Written == 0 })
	r := listen(t, "unix", path)
	for got := false; !got; { // until it is looked for again
		b.ask("b.test.")
		select {
		case <-r.frames:
			got = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	r.close()
	os.Remove(path)
	time.Sleep(2 * mostPause)
	before := b.taps.Counts()[0]
	b.ask("c.test.")
	b.counted("lost", func(n Counts) bool { return n.Lost == before.Lost+1 && n.Written == before.Written })
	r = listen(t, "unix", path)
	for got := false; !got; {
		b.ask("d.test.")
		select {
		case <-r.frames:
			got = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	if n := strings.Count(b.log.String(), "cannot be handed on"); n != 2 {
		t.Errorf("%d lines of two absences:\n%s", n, b.log)
	}
}

// A reader that takes nothing delays nobody: the ring fills, and drops.
func TestSlowReader(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // it never says a word
		}
	}()
	b := start(t, config.Tap{Name: "farm", Kind: config.Dnstap, Address: l.Addr().String(), Sample: 1})
	began := time.Now()
	for range 50_000 {
		b.ask("a.test.")
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("50,000 queries took %v", took)
	}
	b.counted("dropped", func(n Counts) bool { return n.Dropped > 0 && n.Written == 0 })
}

// TestDnstapFile: a file holds whole streams; one that was there is moved
// aside, and one that is moved away is followed by another.
func TestDnstapFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "q.fstrm")
	if err := os.WriteFile(path, []byte("of the last time"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, config.Tap{Name: "file", Kind: config.Dnstap, File: path, Sample: 1})
	b.ask("a.test.")
	b.counted("written", func(n Counts) bool { return n.Written == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, path)
	b.ask("b.test.")
	b.counted("written", func(n Counts) bool { return n.Written == 2 })
	b.stop()
	for file, want := range map[string]string{path + ".1": "a.test.", path: "b.test."} {
		in, err := dnstap.NewFrameStreamInputFromFilename(file)
		if err != nil {
			t.Fatal(err)
		}
		frames := make(chan []byte, 10)
		in.ReadInto(frames)
		if len(frames) != 2 || !strings.Contains(dnstest.Text(unmarshal(t, <-frames).Message.QueryMessage), want) {
			t.Errorf("%s: %d messages, want two of %s", file, len(frames), want)
		}
	}
	if old, _ := filepath.Glob(path + "-*"); len(old) != 1 {
		t.Errorf("the file of the last time is in %v", old)
	}
}

// waitFor waits until there is a file.
func waitFor(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("there is no %s", path)
		}
	}
}

// TestQueryLog: a line of JSON for each query, on in the file that was there,
// and in a new one after rotation.
func TestQueryLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.json")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, config.Tap{Name: "log", Kind: config.QueryLog, File: path, Sample: 1, Shorten: true})
	b.ask("www.example.test.")
	b.counted("written", func(n Counts) bool { return n.Written == 1 })
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(text), "\n")
	var got line
	if err := json.Unmarshal([]byte(second), &got); err != nil || first != "{}" {
		t.Fatalf("%v: %s", err, text)
	}
	took := got.Micros
	got.Micros = 0
	want := line{At: "2026-03-01T12:00:00.123456Z", Client: "192.0.2.0", Transport: "tls", Name: "www.example.test.", Type: "A", Rcode: "NOERROR", Pool: "alpha", Size: got.Size}
	if got != want || took == 0 || got.Size < 40 {
		t.Errorf("the line is %+v, want %+v", got, want)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, path)
}

// A directory that cannot be written to is said once, and loses queries.
func TestQueryLogWithoutRoom(t *testing.T) {
	b := start(t, config.Tap{Name: "log", Kind: config.QueryLog, File: filepath.Join(t.TempDir(), "none", "q.json"), Sample: 1})
	b.ask("a.test.")
	b.counted("lost", func(n Counts) bool { return n.Lost == 1 })
	time.Sleep(3 * mostPause)
	if n := strings.Count(b.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines of one trouble:\n%s", n, b.log)
	}
}

// TestAdopt: what stays goes on; what goes ends; the totals of a name stay.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	tapOf := func(name, file string, sample float64) config.Tap {
		return config.Tap{Name: name, Kind: config.QueryLog, File: filepath.Join(dir, file), Sample: sample}
	}
	b := start(t, tapOf("a", "a", 1), tapOf("b", "b", 1))
	b.ask("x.test.")
	b.counted("written", func(n Counts) bool { return n.Written == 1 })
	b.taps.Adopt([]config.Tap{tapOf("a", "c", 1)})
	b.ask("y.test.")
	b.counted("written", func(n Counts) bool { return n.Name == "a" && n.Written == 2 })
	if text, err := os.ReadFile(filepath.Join(dir, "c")); err != nil || !strings.Contains(string(text), "y.test.") {
		t.Errorf("the new file holds %q, %v", text, err)
	}
	for end := time.Now().Add(10 * time.Second); b.taps.outputs[0].before != nil; b.taps.Counts() {
		if time.Now().After(end) {
			t.Fatal("the output of before is held on to")
		}
	}
	b.counted("written", func(n Counts) bool { return n.Written == 2 })
	ear := b.ear
	b.taps.Adopt([]config.Tap{tapOf("a", "c", 1)})
	if b.ear != ear {
		t.Error("the same taps were begun anew")
	}
	b.taps.Adopt(nil)
	if b.ear != nil || len(b.taps.Counts()) != 0 {
		t.Error("without taps somebody looks on")
	}
}

// TestSample: about the share that is asked for, and the smaller sample is
// part of the larger one.
func TestSample(t *testing.T) {
	dir := t.TempDir()
	b := start(t,
		config.Tap{Name: "some", Kind: config.QueryLog, File: filepath.Join(dir, "some"), Sample: 0.25},
		config.Tap{Name: "few", Kind: config.QueryLog, File: filepath.Join(dir, "few"), Sample: 0.05})
	const n = 20_000
	some, few, outside := 0, 0, 0
	e := b.ear.(*ear)
	for range n {
		e.Wants()
		if e.parts[0].wants {
			some++
		}
		if e.parts[1].wants {
			few++
			if !e.parts[0].wants {
				outside++
			}
		}
	}
	if some < n/4-500 || some > n/4+500 || few < n/20-250 || few > n/20+250 || outside > 0 {
		t.Errorf("of %d queries %d and %d were wanted, %d of them not by both", n, some, few, outside)
	}
}
