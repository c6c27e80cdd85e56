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

	work sync.Mutex // held while writing

	mu      sync.Mutex
	waiting []Deed // that are not written yet
	lost    int    // that had no more room
	problem string
}

// OpenAudit returns the audit log in dir. It opens nothing yet.
func OpenAudit(dir string) *Audit {
	if dir == "" {
		return &Audit{}
	}
	return &Audit{path: filepath.Join(dir, AuditFile)}
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
	a.mu.Lock()
	if len(a.waiting) >= mostDeeds {
		a.waiting = slices.Delete(a.waiting, 0, 1)
		a.lost++
	}
	a.waiting = append(a.waiting, d)
	a.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); a.flush() }()
	select {
	case <-done:
	case <-time.After(auditWait):
		a.mu.Lock()
		a.problem = "the disk does not answer"
		a.mu.Unlock()
	}
}

// flush writes what waits. Only one does so at a time; who finds another at it
// leaves the rest to the next deed, or to Problem's caller.
func (a *Audit) flush() {
	a.work.Lock()
	defer a.work.Unlock()
	a.mu.Lock()
	deeds := slices.Clone(a.waiting)
	a.mu.Unlock()
	if len(deeds) == 0 {
		return
	}
	err := a.write(deeds)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.problem = err.Error()
		return
	}
	a.problem = ""
	a.waiting = a.waiting[min(len(deeds), len(a.waiting)):]
	if a.lost > 0 {
		a.problem, a.lost = fmt.Sprintf("%d requests were too many to keep while the disk failed", a.lost), 0
	}
}

// Problem says why deeds are not on the disk; "" where they are. Those that
// wait are tried again.
func (a *Audit) Problem() string {
	if a == nil || a.path == "" {
		return ""
	}
	a.mu.Lock()
	problem := a.problem
	a.mu.Unlock()
	if problem != "" && a.work.TryLock() {
		a.work.Unlock()
		go a.flush()
	}
	return problem
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
	if info.Size() > 0 && info.Size()+int64(text.Len()) > maxAudit {
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
	files := []string{a.path}
	for i := 1; i <= oldAudits; i++ {
		files = append(files, a.old(i))
	}
	for _, path := range files { // the latest file first
		list, err := readDeeds(path, since)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(list, out...)
		if len(out) >= most || len(list) > 0 && list[0].At.Before(since) {
			break
		}
	}
	a.mu.Lock()
	if a.problem != "" {
		for _, d := range a.waiting {
			if !d.At.Before(since) {
				out = append(out, d)
			}
		}
	}
	a.mu.Unlock()
	return out[max(0, len(out)-most):], nil
}

func readDeeds(path string, since time.Time) ([]Deed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Deed
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var d Deed
		if err == nil && json.Unmarshal(line, &d) == nil && !d.At.Before(since) {
			out = append(out, d)
		}
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}
