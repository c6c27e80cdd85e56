package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// subjects writes the subjects of deeds in a line.
func subjects(t *testing.T, a *Audit, since time.Time, most int) string {
	t.Helper()
	list, err := a.Deeds(since, most)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range list {
		out = append(out, d.Subject)
	}
	return strings.Join(out, " ")
}

// noteDeed notes one at a minute of an hour.
func noteDeed(a *Audit, subject string, minute int) {
	a.Note(Deed{At: time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC), Who: "kim", Via: "socket", What: "override.set", Subject: subject, Outcome: Done})
}

func TestAuditKeeps(t *testing.T) {
	dir := t.TempDir()
	a := OpenAudit(dir)
	for i := range 4 {
		noteDeed(a, fmt.Sprint("p", i), i)
	}
	f, err := os.OpenFile(filepath.Join(dir, AuditFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"at":"2026-01-01T12:04:00Z","subject":"cut o`) // by a crash
	f.Close()
	a = OpenAudit(dir)
	noteDeed(a, "p5", 5)
	for _, c := range []struct {
		minute, most int
		want         string
	}{
		{0, 100, "p0 p1 p2 p3 p5"},
		{0, 2, "p3 p5"},
		{2, 100, "p2 p3 p5"},
		{6, 100, ""},
	} {
		if got := subjects(t, a, time.Date(2026, 1, 1, 12, c.minute, 0, 0, time.UTC), c.most); got != c.want {
			t.Errorf("since minute %d, %d at most: %q, want %q", c.minute, c.most, got, c.want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, AuditFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A disk that fails holds up nobody, is told of, and gets all of it later.
func TestAuditWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	a := OpenAudit(dir)
	began := time.Now()
	noteDeed(a, "p0", 0)
	noteDeed(a, "p1", 1)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(a.Problem(), "no such file") {
		t.Errorf("problem %q", a.Problem())
	}
	if got := subjects(t, a, time.Time{}, 10); got != "p0 p1" {
		t.Errorf("meanwhile %q", got)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); a.Problem() != ""; {
		if time.Now().After(end) {
			t.Fatalf("problem %q", a.Problem())
		}
		time.Sleep(time.Millisecond)
	}
	if got := subjects(t, OpenAudit(dir), time.Time{}, 10); got != "p0 p1" {
		t.Errorf("on the disk %q", got)
	}
}

// What waits for a disk that fails is bounded, and what is lost is told of.
func TestAuditIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	a := OpenAudit(dir)
	noteDeed(a, "first", 0)
	a.mu.Lock()
	for i := range mostDeeds {
		a.waiting = a.fit(append(a.waiting, Deed{Subject: fmt.Sprint("p", i)}))
	}
	a.mu.Unlock()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	noteDeed(a, "last", 1)
	if !strings.Contains(a.Problem(), "2 requests were too many") {
		t.Errorf("problem %q", a.Problem())
	}
	if got := subjects(t, a, time.Time{}, 1); got != "last" {
		t.Errorf("the latest is %q", got)
	}
	noteDeed(a, "next", 2)
	if a.Problem() != "" {
		t.Errorf("problem %q", a.Problem())
	}
}

// The files are bounded, and read as one.
func TestAuditRotates(t *testing.T) {
	dir := t.TempDir()
	a := OpenAudit(dir)
	a.most = 1000
	path := filepath.Join(dir, AuditFile)
	for i := range 7 {
		noteDeed(a, fmt.Sprint("p", i), i)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(strings.Repeat(" ", 1000) + "\n") // as many deeds would
		f.Close()
	}
	if got := subjects(t, a, time.Time{}, 100); got != "p2 p3 p4 p5 p6" {
		t.Errorf("kept are %q", got)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1+oldAudits {
		t.Errorf("%v %v", list, err)
	}
	for _, e := range list {
		if !IsAuditFile(e.Name()) {
			t.Errorf("%s is not known as one", e.Name())
		}
	}
}

func TestAuditOfMany(t *testing.T) {
	a := OpenAudit(t.TempDir())
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { noteDeed(a, fmt.Sprint("p", i), 0) })
	}
	all.Wait()
	if n := len(strings.Fields(subjects(t, a, time.Time{}, 1000))); n != 50 {
		t.Errorf("%d are kept", n)
	}
}
