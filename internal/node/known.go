package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/durable"
	"github.com/shunt-dns/shunt/internal/known"
)

// What the state directory has of configurations that were in force.
const (
	runningFile = "running.json"   // a known.Memory
	crashFile   = "crash.log"      // what the runtime writes when this process crashes
	lastCrash   = "crash.last.log" // and when the one before did
	goodFolder  = "good"           // a copy of each known good one, by its hash
)

// isKnownFile reports whether a file of that name in the state directory is
// one of them. The copies belong to whoever made them.
func isKnownFile(name string) bool {
	return slices.Contains([]string{runningFile, crashFile, lastCrash, goodFolder}, name)
}

// A Known keeps copies of configurations that have proven themselves, and
// takes one back into force when a newer one ended the process. Make it with
// [Recall]; it holds the state directory until Close. A nil one refuses
// nothing and keeps nothing.
type Known struct {
	dir  string
	user string // that the node becomes
	lock *os.File
	log  *slog.Logger
	soak time.Duration

	mu     sync.Mutex
	memory known.Memory
	taken  print         // of the one in force
	news   chan struct{} // tells Run that taken has changed
}

// A print is a configuration with its hash.
type print struct {
	cfg    *config.Config
	hash   string // "" where its files cannot be told
	rolled string // why it stands in for the files that are named; "" where it does not
	untold error  // why there is no hash
}

// Recall takes the state directory of cfg, reads what the process before left
// there, and has the runtime write a crash of this one there. Soak is how long
// a configuration must be in force to be known good; 0: [known.Soak]. The
// error is that the directory is in use, or not there.
func Recall(cfg *config.Config, soak time.Duration, log *slog.Logger) (*Known, error) {
	if soak == 0 {
		soak = known.Soak
	}
	k := &Known{dir: cfg.Node.StateDir, user: cfg.Node.User, log: log, soak: soak, news: make(chan struct{}, 1)}
	if err := os.MkdirAll(k.dir, 0o750); err != nil {
		return nil, fmt.Errorf("state_dir: %w (make the folder, or name another in node.state_dir)", err)
	}
	var err error
	if k.lock, err = lock(k.dir); err != nil {
		return nil, fmt.Errorf("node.state_dir: %w", err)
	}
	if text, err := os.ReadFile(k.path(runningFile)); err == nil {
		if err := json.Unmarshal(text, &k.memory); err != nil {
			log.Warn("what is known of configurations cannot be read: it begins anew", "file", k.path(runningFile), "error", err)
			k.memory = known.Memory{}
		}
	}
	what, at := k.crashed()
	if what != "" {
		k.memory = k.memory.Crashed(what, at)
		log.Error("the process before crashed", "what", what, "at", at.UTC().Format(time.RFC3339), "trace", k.path(lastCrash))
	}
	k.watchCrashes()
	return k, nil
}

func (k *Known) path(name string) string { return filepath.Join(k.dir, name) }

// Close gives the state directory back.
func (k *Known) Close() { k.lock.Close() }

// crashed returns the first line that the crash of the process before left,
// and when; "" when it left none. The whole of it is put aside.
func (k *Known) crashed() (what string, at time.Time) {
	info, err := os.Lstat(k.path(crashFile))
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return "", at
	}
	text, err := os.ReadFile(k.path(crashFile))
	if err != nil {
		k.log.Warn("the trace of a crash cannot be read", "error", err)
	}
	if err := os.Rename(k.path(crashFile), k.path(lastCrash)); err != nil {
		k.log.Warn("the trace of a crash cannot be put aside", "error", err)
	}
	what = "a crash without a word"
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			what = line[:min(len(line), 200)]
			break
		}
	}
	return what, info.ModTime()
}

// watchCrashes has the runtime write panics, fatal errors and aborts to the
// crash file, beside stderr.
func (k *Known) watchCrashes() {
	// A file of our own making: root may write here what another user owns, who
	// could have put a link there.
	err := os.Remove(k.path(crashFile))
	var f *os.File
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(k.path(crashFile), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	}
	if err == nil {
		err = debug.SetCrashOutput(f, debug.CrashOptions{})
		f.Close() // the runtime has a copy
	}
	if err != nil {
		k.log.Warn("a crash would leave no trace: no configuration could be rolled back", "error", err)
	}
}

// Start decides what to start with: cfg, as its files are now, or a known good
// configuration that load reads from its copy. A copy that is damaged, or
// cannot be used, is passed over.
func (k *Known) Start(cfg *config.Config, load func(instead map[string]string) (*config.Config, error)) *config.Config {
	hash, _, err := fingerprint(cfg)
	if err != nil {
		k.begin(print{cfg: cfg, untold: err}) // Run says so, if these files can be used at all
		return cfg
	}
	for {
		chosen := k.memory.Choose(hash)
		if chosen == hash {
			k.begin(print{cfg: cfg, hash: hash})
			return cfg
		}
		good, err := k.goodCopy(chosen, load)
		if err == nil {
			bad, _ := k.memory.Blame(hash)
			why := fmt.Sprintf("%s ended the process before it had been in force for %v (%s, %s); the known good configuration of before is in force, from %s",
				cfg.Path, k.soak, bad.What, bad.At.UTC().Format(time.RFC3339), k.path(filepath.Join(goodFolder, chosen)))
			k.log.Error("rolled back to the known good configuration", "why", why)
			k.begin(print{cfg: good, hash: chosen, rolled: why})
			return good
		}
		k.log.Error("a known good configuration cannot be used", "hash", chosen, "error", err)
		k.memory = k.memory.Lost(chosen)
	}
}

// begin notes what the process starts with, before anything is made of it.
func (k *Known) begin(p print) {
	k.taken = p
	k.memory = k.memory.Taken(p.hash, time.Now(), false)
	k.save()
}

// goodCopy reads the copy of a known good configuration.
func (k *Known) goodCopy(hash string, load func(map[string]string) (*config.Config, error)) (*config.Config, error) {
	folder := k.path(filepath.Join(goodFolder, hash))
	instead := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			instead[strings.TrimPrefix(path, folder)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if got, err := hashOf(instead); err != nil || got != hash {
		return nil, errors.Join(err, fmt.Errorf("its copy in %s is damaged", folder))
	}
	cfg, err := load(instead)
	if err != nil {
		return nil, err
	}
	if cfg.Node.StateDir != k.dir {
		return nil, fmt.Errorf("it keeps its state in %s", cfg.Node.StateDir)
	}
	if cfg.Node.User != k.user { // who owns the copy is not to choose who runs it
		return nil, fmt.Errorf("it runs as %q", cfg.Node.User)
	}
	return cfg, nil
}

// RolledBack says why a known good configuration stands in for the files that
// are named; "" while it does not.
func (k *Known) RolledBack() string {
	if k == nil {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.taken.rolled
}

// vet refuses a configuration that was just read, if it once ended a process
// and nobody insists. Else it notes that it is about to come into force, so
// that it is known who crashed on the way; settle hears whether it did.
func (k *Known) vet(cfg *config.Config, force bool) (settle func(taken bool), err error) {
	if k == nil {
		return func(bool) {}, nil
	}
	p := print{cfg: cfg}
	p.hash, _, p.untold = fingerprint(cfg)
	k.mu.Lock()
	bad, known := k.memory.Blame(p.hash)
	if known && !force && k.taken.hash != p.hash {
		k.mu.Unlock()
		return nil, fmt.Errorf("this very configuration ended the process (%s, %s); change it, or use --force", bad.What, bad.At.UTC().Format(time.RFC3339))
	}
	k.memory = k.memory.Tries(p.hash)
	k.mu.Unlock()
	k.save()
	return func(taken bool) { k.settle(p, force, taken) }, nil
}

// settle notes whether p came into force.
func (k *Known) settle(p print, force, taken bool) {
	k.mu.Lock()
	if taken {
		k.taken, k.memory = p, k.memory.Taken(p.hash, time.Now(), force)
	} else {
		k.memory = k.memory.Tries("")
	}
	k.mu.Unlock()
	k.save()
	if !taken {
		return
	}
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// Run keeps a copy of what has been in force for long enough, until ctx ends.
func (k *Known) Run(ctx context.Context) error {
	soaked := time.NewTimer(k.soak)
	defer soaked.Stop()
	k.warn()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.news:
			k.warn()
			soaked.Reset(k.soak)
		case <-soaked.C:
			if err := k.Keep(); err != nil {
				k.log.Warn("this configuration is not kept as known good", "error", err)
				soaked.Reset(k.soak) // the files may be as they were, by then
			}
		}
	}
}

// warn says so where what is in force cannot be told from another configuration.
func (k *Known) warn() {
	k.mu.Lock()
	why := k.taken.untold
	k.mu.Unlock()
	if why != nil {
		k.log.Warn("a crash would not be laid to this configuration, and it is not kept", "error", why)
	}
}

// Keep copies what is in force, which makes it known good. It does nothing
// where that is known already. The error says why it cannot be: files that
// have changed since they were read, or that cannot be copied.
func (k *Known) Keep() error {
	k.mu.Lock()
	p, memory := k.taken, k.memory
	k.mu.Unlock()
	if p.hash == "" || slices.Contains(memory.Good, p.hash) && memory.Good[0] == p.hash {
		return nil
	}
	folder := k.path(filepath.Join(goodFolder, p.hash))
	if _, err := os.Stat(folder); err != nil {
		if err := copyTo(folder, p); err != nil {
			return err
		}
	}
	k.mu.Lock()
	if k.taken == p {
		k.memory = k.memory.Soaked()
	}
	good := k.memory.Good
	k.mu.Unlock()
	k.save()
	k.prune(good)
	k.log.Info("this configuration is known good now", "hash", p.hash, "copy", folder)
	return nil
}

// prune removes the copies that are no longer among good.
func (k *Known) prune(good []string) {
	entries, err := os.ReadDir(k.path(goodFolder))
	for _, e := range entries {
		if !slices.Contains(good, e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(k.path(goodFolder), e.Name())))
		}
	}
	if err != nil {
		k.log.Warn("old copies of configurations cannot be removed", "error", err)
	}
}

// save writes the memory down, atomically.
func (k *Known) save() {
	k.mu.Lock()
	text, err := json.MarshalIndent(k.memory, "", "  ")
	k.mu.Unlock()
	if err == nil {
		err = durable.Replace(k.path(runningFile), text)
	}
	if err != nil {
		k.log.Warn("what is known of configurations is not saved", "error", err)
	}
}
