package controller

import (
	"context"
	"fmt"
	"time"
)

const (
	// saveEvery is how soon changed verdicts reach the state file. Overrides
	// and freezes do at once.
	saveEvery = 2 * time.Second

	// resaveEvery is how often the state is saved though nothing changed: a
	// saved verdict is as young as its file, and an old one counts for nothing
	// after a crash.
	resaveEvery = time.Minute

	// saveWait is how long a command, or the stop, waits for the disk.
	saveWait = 3 * time.Second

	// hangs is how long a write may take before it is an alarm.
	hangs = 10 * time.Second
)

// A keeper writes the state file, one state after the other, each on a
// goroutine of its own: a disk that hangs must not keep answers from moving.
// Run's goroutine owns it.
type keeper struct {
	write   func(*State) error
	wrote   chan error // outcome of the write under way
	since   time.Time  // when that write began; zero: none is under way
	tell    []chan error
	next    *State // the latest state that waits for it
	tellNow []chan error
}

// save hands the present state to the keeper. The channel tells, once, how
// that went.
func (c *Controller) save() <-chan error {
	done := make(chan error, 1)
	if c.hand { // what is rehearsed is not remembered
		done <- nil
		return done
	}
	c.keep.next = c.state(time.Now())
	c.keep.tell = append(c.keep.tell, done)
	c.dirty = false
	c.writeNext()
	return done
}

// writeNext begins to write the state that waits, unless a write is under way.
func (c *Controller) writeNext() {
	k := &c.keep
	if k.next == nil || !k.since.IsZero() {
		return
	}
	s, write := k.next, k.write
	k.next, k.tell, k.tellNow, k.since = nil, nil, k.tell, time.Now()
	go func() { k.wrote <- write(s) }()
}

// written takes note of how the write under way went. Failing, it says so in
// log and status, and serving goes on.
func (c *Controller) written(err error) {
	if err != nil && c.storeErr == nil {
		c.deps.Log.Error("state not saved", "error", err)
	}
	if err == nil && c.storeErr != nil {
		c.deps.Log.Info("state is saved again")
	}
	c.storeErr = err
	c.dirty = c.dirty || err != nil
	k := &c.keep
	for _, done := range k.tellNow {
		done <- err
	}
	k.tellNow, k.since = nil, time.Time{}
	c.saved = time.Now()
	c.writeNext()
}

// unsaved says why a restart would forget what the node knows; "" when it
// would not.
func (c *Controller) unsaved(now time.Time) string {
	if c.storeErr != nil {
		return c.storeErr.Error()
	}
	if since := c.keep.since; !since.IsZero() && now.Sub(since) > hangs {
		return fmt.Sprintf("the state file has been under way to the disk for %v", now.Sub(since).Round(time.Second))
	}
	return ""
}

// lastSave saves the state at the stop, and waits for it for as long as a
// stop may take.
func (c *Controller) lastSave() {
	c.ending = true
	if !c.saveNow() {
		c.deps.Log.Error("stopping without the state saved: the disk does not answer", "waited", saveWait)
	}
}

// saveNow saves the state and waits for it, but no longer than saveWait; then
// it is false.
func (c *Controller) saveNow() bool {
	c.save()
	late := time.NewTimer(saveWait)
	defer late.Stop()
	for !c.keep.since.IsZero() {
		select {
		case err := <-c.keep.wrote:
			c.written(err)
		case <-late.C:
			return false
		}
	}
	return true
}

// command runs job on Run's goroutine, decides anew, and waits until what the
// job did is saved. The error says so when it is in force but would not
// survive a restart.
func (c *Controller) command(ctx context.Context, job func() error) error {
	var saved <-chan error
	err := c.do(ctx, func() error {
		if err := job(); err != nil {
			return err
		}
		c.decide(byHand)
		saved = c.save()
		return nil
	})
	if err != nil {
		return err
	}
	late := time.NewTimer(saveWait)
	defer late.Stop()
	select {
	case err = <-saved:
	case <-late.C:
		err = fmt.Errorf("the disk has not answered for %v", saveWait)
	}
	if err != nil {
		return fmt.Errorf("done, but it could not be saved and a restart would forget it: %w", err)
	}
	return nil
}
