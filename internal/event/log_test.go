package event

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ids writes the ids of events in short: "1 2 3", with a * before those that
// followed a gap.
func ids(events []Event, missed bool) string {
	var b strings.Builder
	if missed {
		b.WriteString("*")
	}
	for i, e := range events {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, e.ID)
	}
	return b.String()
}

func TestAfter(t *testing.T) {
	l := Open("")
	for range 5 {
		l.Say(Event{What: "x"})
	}
	for _, c := range []struct {
		after uint64
		most  int
		want  string
	}{
		{0, 100, "1 2 3 4 5"},
		{0, 2, "1 2"},
		{2, 100, "3 4 5"},
		{2, 1, "3"},
		{5, 100, ""},
		{6, 100, "*1 2 3 4 5"}, // of another log: all there is
	} {
		if got := ids(l.After(c.after, c.most)); got != c.want {
			t.Errorf("after %d, at most %d: %q, want %q", c.after, c.most, got, c.want)
		}
	}
}

// A log has its latest events, and says so to who asks for older ones.
func TestBounded(t *testing.T) {
	l := Open("")
	for range 10*Kept + 7 {
		l.Say(Event{What: strings.Repeat("ö", longest)})
	}
	if n := cap(l.ring); n > 4*Kept {
		t.Errorf("room for %d events", n)
	}
	events, missed := l.After(1, 1)
	if got, want := ids(events, missed), fmt.Sprintf("*%d", 9*Kept+8); got != want {
		t.Errorf("after 1: %q, want %q", got, want)
	}
	if got, want := ids(l.After(9*Kept+7, 1)), fmt.Sprint(9*Kept+8); got != want {
		t.Errorf("after the last that is gone: %q, want %q", got, want)
	}
	if n := len(events[0].What); n > longest+8 {
		t.Errorf("%d octets of text", n)
	}
	if n := len(l.Latest(100 * Kept)); n != Kept {
		t.Errorf("%d events, want %d", n, Kept)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Open("")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan string, 10)
		for range 3 {
			go func() {
				events, missed, _ := l.Wait(ctx, 0, 10)
				got <- ids(events, missed)
			}()
		}
		synctest.Wait()
		l.Say(Event{What: "x"})
		for range 3 {
			if ids := <-got; ids != "1" {
				t.Errorf("woken with %q", ids)
			}
		}
		cancel()
		if _, _, err := l.Wait(ctx, 1, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// run runs l until the function it returns is called.
func run(t *testing.T, l *Log) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); over.Wait() }
}

// Ids grow over restarts, also where the process crashed in the middle of a
// line.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := Open(path)
	stop := run(t, l)
	l.Say(Event{Kind: Transition, Subject: "a", What: "pool a is down", Level: Warning})
	l.Say(Event{Kind: Transition, Subject: "a", What: "pool a is up"})
	stop()

	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"id":3,"what":"cut of`)
	f.Close()

	l = Open(path)
	if got := ids(l.After(0, 100)); got != "1 2" {
		t.Fatalf("after a restart: %q", got)
	}
	l.Say(Event{What: "y"})
	if got := ids(l.After(2, 100)); got != "1001" {
		t.Errorf("the next after 2: %q", got)
	}
	run(t, l)()
	l = Open(path)
	if got := ids(l.After(0, 100)); got != "1 2 1001" {
		t.Errorf("after a second restart: %q", got)
	}
	if e := l.Latest(3)[0]; e.Subject != "a" || e.Level != Warning || time.Since(e.At) > time.Minute {
		t.Errorf("%+v", e)
	}
}

// The file stays small, however much happens.
func TestFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := Open(path)
	for range 5 {
		stop := run(t, l)
		for range Kept {
			l.Say(Event{What: "x"})
		}
		stop()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 2*Kept || n < Kept {
		t.Errorf("%d lines", n)
	}
	if got := ids(Open(path).After(5*Kept-1, 10)); got != fmt.Sprint(5*Kept) {
		t.Errorf("the last is %q", got)
	}
}

// TestMillion: a million events while the file is written take little memory,
// keep nobody up for long, and leave a small file.
func TestMillion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := Open(path)
	stop := run(t, l)
	const all = 1_000_000
	var slowest time.Duration
	began := time.Now()
	for i := range all {
		at := time.Now()
		l.Say(Event{What: "a pool came and went", Subject: "alpha"})
		if d := time.Since(at); d > slowest && i > 0 {
			slowest = d
		}
	}
	t.Logf("%v for all, %v for the slowest", time.Since(began), slowest)
	stop()
	if slowest > time.Second {
		t.Errorf("whoever said something waited %v", slowest)
	}
	if n := cap(l.ring); n > 4*Kept {
		t.Errorf("room for %d events in memory", n)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 2*Kept || n < Kept {
		t.Errorf("%d lines", n)
	}
	if got := Open(path).Last(); got != all {
		t.Errorf("the last event of the file is %d", got)
	}
}

// A disk that fails is told of, and is tried again.
func TestDiskFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	l := Open(filepath.Join(dir, "events.jsonl"))
	l.Say(Event{What: "x"})
	stop, began := run(t, l), time.Now()
	stop()
	if took := time.Since(began); took > stopWait/2 {
		t.Errorf("the stop took %v", took)
	}
	if !strings.Contains(l.Problem(), "no such file") {
		t.Fatalf("problem %q", l.Problem())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, l)()
	if l.Problem() != "" {
		t.Fatalf("problem %q", l.Problem())
	}
	if got := ids(Open(filepath.Join(dir, "events.jsonl")).After(0, 10)); got != "1" {
		t.Errorf("kept: %q", got)
	}
}

func TestSayHasNoCost(t *testing.T) {
	l := Open("")
	e := Event{At: time.Now(), Kind: Transition, What: "pool a is down", Level: Warning}
	if n := testing.AllocsPerRun(1000, func() { l.Say(e) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
