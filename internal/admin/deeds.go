package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Deed is one request that was to change something, as the audit log has it.
type Deed struct {
	At      time.Time       `json:"at"`
	Who     string          `json:"who"`               // token or user
	Via     string          `json:"via"`               // socket, or web and the address
	What    string          `json:"what"`              // the operation, as override.set
	Subject string          `json:"subject,omitempty"` // what it is about: a pool, a drill
	Why     string          `json:"why,omitempty"`     // the reason given
	Outcome string          `json:"outcome"`           // done, refused or failed
	Error   string          `json:"error,omitempty"`   // why it was not done
	Forced  bool            `json:"forced,omitempty"`  // safety rules were overruled
	Before  json.RawMessage `json:"before,omitempty"`  // what it changes, before
	After   json.RawMessage `json:"after,omitempty"`   // and after
}

// The outcomes of deeds.
const (
	Done    = "done"
	Refused = "refused" // by a safety rule, or for want of a right
	Failed  = "failed"
)

const (
	// AuditFile is the name of the audit log in the state directory, and of
	// those before, with a number behind it.
	AuditFile = "audit.jsonl"

	maxAudit  = 8 << 20 // octets of one file
	oldAudits = 4       // files kept beside it
	mostDeeds = 10_000  // that wait for a disk which fails

	// auditWait is how long a request waits for the disk.
	auditWait = 2 * time.Second
)

// An Audit is the log of deeds. Its methods may be called from any goroutine.
type Audit struct {
	path string // "": nothing is kept
	most int64  // octets of one file

	mu      sync.Mutex
	waiting []Deed          // that are not on the disk, nor on their way
	flying  []Deed          // that are on their way
	told    []chan struct{} // closed once what waits was tried
	writing bool            // a goroutine is at it
	lost    int             // that had no more room
	problem string
}

// OpenAudit returns the audit log in dir. It opens nothing yet.
func OpenAudit(dir string) *Audit {
	if dir == "" {
		return &Audit{}
	}
	return &Audit{path: filepath.Join(dir, AuditFile), most: maxAudit}
}

// IsAuditFile reports whether a file of that name in the state directory is
// one of the audit log.
func IsAuditFile(name string) bool {
	return name == AuditFile || strings.HasPrefix(name, AuditFile+".")
}

// Note writes d to the disk, and waits for it, but not for long: what was done
// is done. What could not be written is written later.
func (a *Audit) Note(d Deed) {
	if a == nil || a.path == "" {
		return
	}
	tried := make(chan struct{})
	a.mu.Lock()
	a.waiting = a.fit(append(a.waiting, d))
	a.told = append(a.told, tried)
	a.begin()
	a.mu.Unlock()
	late := time.NewTimer(auditWait)
	defer late.Stop()
	select {
	case <-tried:
	case <-late.C:
		a.mu.Lock()
		a.problem = fmt.Sprintf("the disk has not answered for %v", auditWait)
		a.mu.Unlock()
	}
}

// fit drops the oldest of deeds where they are too many to keep.
func (a *Audit) fit(deeds []Deed) []Deed {
	if over := len(deeds) - mostDeeds; over > 0 {
		a.lost += over
		deeds = slices.Delete(deeds, 0, over)
	}
	return deeds
}

// begin has a goroutine write what waits, unless one is at it; mu is held.
func (a *Audit) begin() {
	if !a.writing && len(a.waiting) > 0 {
		a.writing = true
		go a.flush()
	}
}

// flush writes what waits, until nothing does or the disk fails.
func (a *Audit) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.writing = false }()
	for len(a.waiting) > 0 {
		deeds, told := a.waiting, a.told
		a.waiting, a.told, a.flying = nil, nil, deeds
		a.mu.Unlock()
		err := a.write(deeds)
		a.mu.Lock()
		a.flying = nil
		a.problem = ""
		if err != nil {
			a.problem = err.Error()
			a.waiting = a.fit(append(deeds, a.waiting...))
			told, a.told = append(told, a.told...), nil
		} else if a.lost > 0 {
			a.problem, a.lost = fmt.Sprintf("%d requests were too many to keep while the disk failed", a.lost), 0
		}
		for _, t := range told {
			close(t)
		}
		if err != nil {
			return
		}
	}
}

// Problem says why deeds are not on the disk; "" where they are. Those that
// wait are tried again.
func (a *Audit) Problem() string {
	if a == nil || a.path == "" {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin()
	return a.problem
}

// write appends deeds to the file, durably.
func (a *Audit) write(deeds []Deed) (err error) {
	var text bytes.Buffer
	for _, d := range deeds {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	f, err := os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > 0 && info.Size()+int64(text.Len()) > a.most {
		if err := a.rotate(); err != nil {
			return err
		}
		f.Close()
		if f, err = os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return err
		}
		info = nil
	}
	out := text.Bytes()
	size := int64(0)
	if info != nil {
		size = info.Size()
		last := make([]byte, 1)
		if _, e := f.ReadAt(last, size-1); size > 0 && (e != nil || last[0] != '\n') {
			out = append([]byte{'\n'}, out...) // a line that a crash cut off
		}
	}
	if _, err = f.Write(out); err == nil {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(size))
	}
	return err
}

// rotate makes the file an old one.
func (a *Audit) rotate() error {
	for i := oldAudits; i > 1; i-- {
		err := os.Rename(a.old(i-1), a.old(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(a.path, a.old(1))
}

func (a *Audit) old(i int) string { return fmt.Sprintf("%s.%d", a.path, i) }

// Deeds returns the latest deeds since a moment, at most most of them, the
// oldest first. Lines that are not whole are left out.
func (a *Audit) Deeds(since time.Time, most int) ([]Deed, error) {
	out := []Deed{}
	if a == nil || a.path == "" {
		return out, nil
	}
	a.mu.Lock()
	fresh := slices.Concat(a.flying, a.waiting) // before the files are read: what comes to them meanwhile is in one of the two
	a.mu.Unlock()
	files := []string{a.path}
	for i := 1; i <= oldAudits; i++ {
		files = append(files, a.old(i))
	}
	for _, path := range files { // the latest file first
		list, older, err := readDeeds(path, since)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(list, out...)
		if len(out) >= most || older {
			break
		}
	}
	written := out[max(0, len(out)-len(fresh)):] // of which some may be fresh
	for _, d := range fresh {
		both := func(o Deed) bool { return o.At.Equal(d.At) && o.What == d.What && o.Who == d.Who }
		if !d.At.Before(since) && !slices.ContainsFunc(written, both) {
			out = append(out, d)
		}
	}
	return out[max(0, len(out)-most):], nil
}

// readDeeds reads a file; older reports that it has some of before since, which
// are left out.
func readDeeds(path string, since time.Time) (list []Deed, older bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var d Deed
		if err == nil && json.Unmarshal(line, &d) == nil {
			if d.At.Before(since) {
				older = true
			} else {
				list = append(list, d)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return list, older, nil
		case err != nil:
			return nil, false, err
		}
	}
}
