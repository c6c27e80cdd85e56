package probe

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A Watch makes the probes of monitors with watch, which leave the connection
// of a success open until the next probe, and sees when such a connection
// ends before. It costs a descriptor for each endpoint and two system calls
// for each probe; all of them are waited for by one goroutine, that of Run.
type Watch struct {
	opened chan struct{} // closed when there is something to wait for

	mu    sync.Mutex
	epoll *os.File // nil until the first connection is watched
	fd    int      // of epoll
	ended bool     // Run has ended, and nothing is watched any longer
	last  uint64
	conns map[uint64]watched // by the number that their events bear
}

// NewWatch returns a Watch of nothing.
func NewWatch() *Watch {
	return &Watch{opened: make(chan struct{}), conns: map[uint64]watched{}}
}

// New is like [New], for monitors with watch too.
func (w *Watch) New(m config.Monitor) (Probe, error) { return newProbe(m, w) }

// supported says why m cannot be watched.
func (w *Watch) supported(m config.Monitor) error {
	if !watchable(m) {
		return fmt.Errorf("monitor %s: watch needs a connection, and a check by %s has none", m.Name, m.Kind)
	}
	return nil
}

// Run tells of connections that end, until ctx ends; it then closes those that
// are left. It is called once.
func (w *Watch) Run(ctx context.Context, tell func([]Hint)) {
	defer w.end()
	select {
	case <-w.opened:
	case <-ctx.Done():
		return
	}
	defer context.AfterFunc(ctx, func() { _ = w.epoll.SetReadDeadline(time.Unix(1, 0)) })()
	raw, err := w.epoll.SyscallConn()
	if err != nil {
		return // closed, which is ours to do
	}
	events := make([]syscall.EpollEvent, 256)
	for swept := time.Now(); ; {
		_ = w.epoll.SetReadDeadline(swept.Add(sweepEvery))
		if ctx.Err() != nil {
			return
		}
		n := 0
		_ = raw.Read(func(fd uintptr) bool { // fails at its deadline
			n, _ = syscall.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if hints := w.hints(events[:max(n, 0)]); len(hints) > 0 {
			tell(hints)
		}
		if now := time.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			w.sweep(now)
		}
	}
}

// hints closes the connections that have ended and names their endpoints. One
// that was taken by a probe meanwhile is that probe's to judge.
func (w *Watch) hints(events []syscall.EpollEvent) (hints []Hint) {
	for _, e := range events {
		w.mu.Lock()
		id := number64(e)
		it, ok := w.conns[id]
		delete(w.conns, id)
		w.mu.Unlock()
		if ok && it.set.forget(it.addr, it.c) {
			it.c.abort()
			hints = append(hints, Hint{it.set.monitor, it.addr})
		}
	}
	return hints
}

// add watches c until drop, and reports false when it cannot.
func (w *Watch) add(it watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw, ok := it.c.tcp.(*rawSocket)
	if !ok || w.ended || w.epoll == nil && !w.open() {
		return false
	}
	w.last++
	it.c.watch = w.last
	// Nothing but the end is waited for: servers send session tickets late.
	e := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(w.last), Pad: int32(w.last >> 32)}
	if syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, raw.fd, &e) != nil {
		return false
	}
	w.conns[w.last] = it
	return true
}

// number64 returns the number that e bears.
func number64(e syscall.EpollEvent) uint64 { return uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd)) }

// open begins to wait. The caller holds w.mu.
func (w *Watch) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return false
	}
	// The runtime's poller waits for ours: no thread is blocked.
	w.fd, w.epoll = fd, os.NewFile(uintptr(fd), "epoll")
	close(w.opened)
	return true
}

// drop ends the watch over c, which is about to be used or closed.
func (w *Watch) drop(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it, ok := w.conns[c.watch]
	if !ok || it.c != c {
		return
	}
	delete(w.conns, c.watch)
	if raw, ok := c.tcp.(*rawSocket); ok {
		_ = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_DEL, raw.fd, nil)
	}
}

// sweep closes the connections that no probe has come for.
func (w *Watch) sweep(now time.Time) {
	var old []watched
	w.mu.Lock()
	for _, it := range w.conns {
		if w.ended || now.After(it.until) {
			old = append(old, it)
		}
	}
	w.mu.Unlock()
	for _, it := range old {
		if it.set.forget(it.addr, it.c) {
			w.drop(it.c)
			it.c.abort()
		}
	}
}

// end closes everything.
func (w *Watch) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.sweep(time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.epoll != nil {
		_ = w.epoll.Close()
		w.epoll = nil
	}
}
