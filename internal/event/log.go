package event

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shunt-dns/shunt/internal/durable"
)

const (
	// Kept is how many of the latest events a Log has, in memory and on disk.
	Kept = 4096

	// longest is how many octets each text of an event may have; what is
	// longer is cut.
	longest = 2 << 10

	// writeEvery is how long events gather before they are written.
	writeEvery = 200 * time.Millisecond

	// retryEvery is how long a disk that failed is left alone.
	retryEvery = 5 * time.Second

	// stopWait is how long the stop waits for the disk.
	stopWait = 2 * time.Second
)

// A Log holds the latest events of one node. Make it with Open; its methods
// may be called from any goroutine.
type Log struct {
	path  string // "": memory only
	found uint64 // id of the last event that was in the file

	mu      sync.Mutex
	ring    []Event       // the oldest first; its last Kept count
	next    uint64        // id of the next one
	more    chan struct{} // closed by the next event; nil while nobody waits
	problem string        // why the file does not have them; "" where it does
}

// Open returns a log that goes on where the file path ends, with an id that is
// higher than any that was given out before. Path may be "": then nothing
// outlives the process. A file that cannot be read is no reason not to start:
// the log is empty then, and Problem says why.
func Open(path string) *Log {
	l := &Log{path: path, next: 1}
	if path == "" {
		return l
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	if err != nil {
		l.problem = err.Error()
		return l
	}
	defer f.Close()
	last := l.read(f)
	l.found = last
	// A crash forgets what was not written yet. The jump is over all that may
	// have been given out meanwhile.
	if last > 0 {
		l.next = (last/1000+1)*1000 + 1
	}
	return l
}

// read takes up the events of r, as far as they are whole, and returns the
// highest id. Ids may have gaps: each start leaves one.
func (l *Log) read(r io.Reader) (last uint64) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e Event
		if err == nil && json.Unmarshal(line, &e) == nil && e.ID > last {
			last = e.ID
			if l.ring = append(l.ring, e); len(l.ring) > 2*Kept {
				l.ring = append([]Event(nil), l.ring[len(l.ring)-Kept:]...)
			}
		}
		if err != nil {
			break
		}
	}
	l.ring = l.ring[max(0, len(l.ring)-Kept):]
	return last
}

// Say notes e: it gives it an id, and a time where it has none. It waits for
// nobody.
func (l *Log) Say(e Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if e.Level == "" {
		e.Level = Info
	}
	for _, text := range []*string{&e.Subject, &e.What, &e.Before, &e.After, &e.Why, &e.Author} {
		*text = clip(*text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.ID = l.next
	l.next++
	if len(l.ring) == 2*Kept { // seldom, so that an event costs little
		n := copy(l.ring, l.ring[Kept:])
		clear(l.ring[n:])
		l.ring = l.ring[:n]
	}
	l.ring = append(l.ring, e)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// clip cuts s where it is too long, between two characters.
func clip(s string) string {
	if len(s) <= longest {
		return s
	}
	at := longest
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return strings.ToValidUTF8(s[:at], "?") + " …"
}

// Last returns the id of the latest event; 0 where there was none yet.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) == 0 {
		return 0
	}
	return l.ring[len(l.ring)-1].ID
}

// After returns the events that came after the one called id, the oldest
// first, at most most of them; missed reports that there were others between,
// which are no longer kept, or that id is none of this log's.
func (l *Log) After(id uint64, most int) (events []Event, missed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.after(id, most)
}

func (l *Log) after(id uint64, most int) (events []Event, missed bool) {
	kept := l.ring[max(0, len(l.ring)-Kept):]
	if id >= l.next {
		id, missed = 0, true // of another log: its file was lost
	}
	i := len(kept)
	for i > 0 && kept[i-1].ID > id {
		i--
	}
	events = append(events, kept[i:min(len(kept), i+most)]...)
	return events, missed || id != 0 && len(kept) > 0 && kept[0].ID > id+1
}

// Wait does as After, once there is an event. It returns ctx's error when that
// ends before.
func (l *Log) Wait(ctx context.Context, id uint64, most int) (events []Event, missed bool, err error) {
	for {
		l.mu.Lock()
		events, missed = l.after(id, most)
		if len(events) > 0 {
			l.mu.Unlock()
			return events, missed, nil
		}
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-more:
		}
	}
}

// Latest returns the latest events, at most most of them, the oldest first.
func (l *Log) Latest(most int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Event(nil), l.ring[max(0, len(l.ring)-min(most, Kept)):]...)
}

// Problem says why events would not outlive the process; "" where they would.
func (l *Log) Problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// Run writes events to the file until ctx ends, and what is left then, for
// which a disk has two seconds.
func (l *Log) Run(ctx context.Context) error {
	if l.path == "" {
		return nil
	}
	done := make(chan struct{})
	go func() { defer close(done); l.keep(ctx) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(stopWait):
	}
	return nil
}

// keep is Run, however long the disk takes.
func (l *Log) keep(ctx context.Context) {
	// The file is written anew first: its last line may not be whole.
	w := writer{path: l.path, last: l.found, lines: 2 * Kept}
	for {
		_, _, err := l.Wait(ctx, w.last, 1)
		if err == nil {
			pause(ctx, writeEvery)
		}
		events, _ := l.After(w.last, Kept)
		wrote := len(events) == 0 || l.took(w.write(events, l))
		switch {
		case err != nil, !wrote && ctx.Err() != nil: // a disk that fails at the end is not tried again
			return
		case !wrote:
			pause(ctx, retryEvery)
		case len(events) > 0:
			w.last = events[len(events)-1].ID
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// took notes how a write went, and reports whether it went well.
func (l *Log) took(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problem = ""
	if err != nil {
		l.problem = err.Error()
	}
	return err == nil
}

// A writer appends to the file of a Log.
type writer struct {
	path  string
	last  uint64 // id of the last event that was written
	lines int    // in the file
}

// write appends events, or writes the file anew where it would grow too long.
func (w *writer) write(events []Event, l *Log) error {
	anew := w.lines+len(events) > 2*Kept
	if anew {
		events = l.Latest(Kept)
	}
	var text bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.ID, err)
		}
		text.Write(line)
		text.WriteByte('\n')
	}
	if !anew {
		w.lines += len(events)
		return appendTo(w.path, text.Bytes())
	}
	w.lines = len(events)
	return durable.Replace(w.path, text.Bytes())
}

// appendTo appends text to the file path. What it could write of it is taken
// back where it could not write all.
func appendTo(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return nil
}
