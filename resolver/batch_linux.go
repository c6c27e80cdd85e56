package resolver

import (
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// shortWait bounds a wait that holds the P, and so how long a stop waits for
// us, and a garbage collection, should its signal be missed. It is below the
// 10 ms after which the runtime's monitor interrupts whoever holds a P. Where
// the socket's timeout makes it, the kernel rounds it up to its tick, which is
// 10 ms at most.
const shortWait = 5 * time.Millisecond

// batchUDP is the UDP side on Linux: one thread a core, with a socket of its
// own for each address, and system calls that carry up to 32 datagrams.
//
// A thread waits in two ways:
//
//	after a packet    up to 5 ms in the kernel, holding its P: to hand it off
//	                  and to take it back costs more than an answer
//	after those 5 ms  as long as it takes, without P, and costs nothing
//
// Nothing is delayed to fill a batch: what has come is answered at once, and a
// batch is what came meanwhile.
type batchUDP struct {
	loops    []*batchLoop
	wake     int // an eventfd that stop makes readable, for good
	stopping atomic.Bool
	closing  sync.Once
}

// newBatchUDP returns a side of n threads without sockets.
func newBatchUDP(a *Answerer, n int) (*batchUDP, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	s := &batchUDP{wake: wake}
	for range n {
		s.loops = append(s.loops, &batchLoop{side: s, worker: a.Worker()})
	}
	return s, nil
}

func (s *batchUDP) listen(addr netip.AddrPort) error {
	fds := make([]int, len(s.loops))
	for i := range fds {
		var err error
		if fds[i], err = openUDP(addr); err != nil {
			for _, fd := range fds[:i] {
				unix.Close(fd)
			}
			return err
		}
	}
	for i, l := range s.loops {
		l.fds = append(l.fds, fds[i])
	}
	return nil
}

func (s *batchUDP) serve() {
	makeRoom(len(s.loops))
	var running sync.WaitGroup
	for _, l := range s.loops {
		running.Go(l.serve)
	}
	running.Wait()
}

// makeRoom raises GOMAXPROCS so that n threads that wait with a P leave as
// many to everybody else. It stays raised: another server may need it.
func makeRoom(n int) {
	if runtime.GOMAXPROCS(0) < 2*n {
		runtime.GOMAXPROCS(2 * n)
	}
}

func (s *batchUDP) stop() {
	if !s.stopping.Swap(true) {
		unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // any number that is not 0
	}
}

func (s *batchUDP) close() {
	s.closing.Do(func() {
		for _, l := range s.loops {
			for _, fd := range l.fds {
				unix.Close(fd)
			}
		}
		unix.Close(s.wake)
	})
}

// A batchLoop is one thread's sockets, worker and memory.
type batchLoop struct {
	side   *batchUDP
	worker *Worker
	fds    []int // one an address

	polls   []unix.PollFd // fds, then side.wake
	timeout unix.Timespec
	*messages
	ahead ahead
}

// serve answers until the side stops.
func (l *batchLoop) serve() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.messages = newMessages()
	for _, fd := range l.fds {
		l.polls = append(l.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	l.polls = append(l.polls, unix.PollFd{Fd: int32(l.side.wake), Events: unix.POLLIN})
	for !l.side.stopping.Load() {
		if l.turn() {
			unix.Ppoll(l.polls, nil, nil) // gives the P away; why it returns does not matter
		}
	}
}

// turn waits up to shortWait and answers what has come; it reports whether
// there was nothing.
//
// It must stay a function of its own that calls others: the check in its
// prologue is where the runtime, whose signal has ended the wait, gets hold of
// this goroutine. A loop of raw system calls alone never stops for a garbage
// collection.
//
//go:noinline
func (l *batchLoop) turn() (idle bool) {
	if len(l.fds) == 1 {
		// The socket's receive timeout bounds the wait, which saves a ppoll
		// for each batch.
		return l.answer(l.fds[0], unix.MSG_WAITFORONE)
	}
	ready := l.polls[:len(l.fds)]
	if ppoll(ready, &l.timeout) != 0 {
		return false
	}
	idle = true
	for i := range ready {
		if ready[i].Revents != 0 && !l.answer(int(ready[i].Fd), unix.MSG_DONTWAIT) {
			idle = false
		}
	}
	return idle
}

// answer answers one batch of a socket and reports whether none came.
func (l *batchLoop) answer(fd, flags int) (none bool) {
	n, errno := l.recvmmsg(fd, flags)
	switch errno {
	case 0:
	case unix.EAGAIN:
		return true
	case unix.EINTR:
		return false
	default:
		time.Sleep(errorPause)
		return false
	}
	w := l.worker
	w.begin(time.Now(), UDP)
	far := n > 1 && w.x.view.far
	if far {
		l.ahead.look(w, n, l.query)
	}
	replies, used := 0, 0
	for i := range n {
		name := &w.name
		if far {
			name = &l.ahead.names[i]
		} else {
			name.Clear()
		}
		room := l.replies[used : used : used+udpReply]
		reply := w.answerName(room, l.query(i), name, l.client(i))
		if len(reply) > 0 {
			l.reply(replies, i, reply)
			replies++
			used += len(reply)
		}
		l.ready(i)
	}
	w.end()
	l.send(fd, replies)
	w.timed()
	return false
}

// send sends the first n replies. One that the kernel does not take (no room:
// EAGAIN, ENOBUFS; too long for its way: EMSGSIZE; filtered: EPERM; no route)
// is left out and counted: its client asks again, and the others do not wait.
func (l *batchLoop) send(fd, n int) {
	for done := 0; done < n; {
		sent, errno := l.sendmmsg(fd, done, n)
		switch errno {
		case 0:
			done += max(sent, 1)
		case unix.EINTR:
		default:
			if errno == unix.EMSGSIZE && mayFragment(fd) {
				continue
			}
			l.worker.n.sendErrors.Add(1)
			done++
		}
	}
}
