package controller

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/internal/drill"
	"github.com/shunt-dns/shunt/internal/event"
)

// lateRun is how long a practice run may be late: then it was missed.
const lateRun = time.Minute

// practise begins the practice runs that are due, on goroutines of their own. A
// run that was missed is not made up.
func (c *Controller) practise(now time.Time) {
	wall := now.Round(0)
	list := c.loaded.Config.Drills
	for i := range list {
		d := &list[i]
		due, ok := c.drills.next[d.Name]
		if !ok {
			c.setNext(d, wall)
			continue
		}
		if due.IsZero() || wall.Before(due) {
			continue
		}
		c.setNext(d, wall)
		if wall.Sub(due) > lateRun {
			c.deps.Log.Warn("practice run missed, and not made up", "drill", d.Name, "due", due)
			c.say(event.Event{Kind: event.Drill, Subject: d.Name, What: "practice run " + d.Name + " was missed, and is not made up", After: "missed", Level: event.Warning})
			continue
		}
		p := drill.Plan{Practice: d.Name, Pools: d.Pools, Services: d.Services, Share: d.Share, Reason: d.Reason, Author: "schedule",
			Began: now, Ends: now.Add(d.For)}
		for _, a := range d.AbortIf {
			p.AbortIf = append(p.AbortIf, a.Text)
		}
		go c.practice(p) // guards ask survivors first
	}
}

// practice begins the practice run p. Should that panic, it did not begin, and
// the node serves on.
func (c *Controller) practice(p drill.Plan) {
	defer func() {
		if r := recover(); r != nil {
			c.deps.Log.Error("practice run did not begin", "drill", p.Practice, "error", fmt.Sprintf("internal error: %v", r), "stack", string(debug.Stack()))
		}
	}()
	if _, err := c.DrillStart(context.Background(), p, false, false); err != nil {
		c.deps.Log.Warn("practice run did not begin", "drill", p.Practice, "error", err)
	}
}

// setNext notes when d runs after now.
func (c *Controller) setNext(d *config.Drill, now time.Time) {
	if c.drills.next == nil {
		c.drills.next = map[string]time.Time{}
	}
	c.drills.next[d.Name] = d.Next(now)
}
