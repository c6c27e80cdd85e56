package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
	"github.com/shunt-dns/shunt/internal/event"
)

// Refused is the error of a command that a safety rule forbids. It says what
// force would break.
type Refused struct{ Why string }

func (r Refused) Error() string { return r.Why + " (use --force to do it all the same)" }

// Override lays o over its pool, in place of an earlier override of it. The
// error is Refused when that breaks a safety rule and force is false: when a
// service would be left with fewer usable pools than safety.at_least, or one
// of safety.rules says no. It lists all that it breaks.
func (c *Controller) Override(ctx context.Context, o health.Override, force bool) error {
	return c.command(ctx, func() error {
		if c.pools[o.Pool] == nil {
			return fmt.Errorf("there is no pool %q (the pools are: %s)", o.Pool, strings.Join(c.poolNames(), ", "))
		}
		if broken := c.breaks(o, c.now()); len(broken) > 0 && !force {
			return Refused{strings.Join(broken, "; ")}
		} else if len(broken) > 0 {
			c.deps.Log.Warn("override breaks safety rules, as forced", "pool", o.Pool, "breaks", strings.Join(broken, "; "))
		}
		o.Set, o.Expires = anchor(o.Set, o.Expires, c.now())
		c.overrides[o.Pool] = o
		c.deps.Log.Warn("override set", "pool", o.Pool, "force", o.Force, "reason", o.Reason, "author", o.Author, "until", o.Expires)
		c.sayOverride(o, "set", o.Reason, o.Author)
		return nil
	})
}

// ClearOverride ends the override of pool.
func (c *Controller) ClearOverride(ctx context.Context, pool, author string) error {
	return c.command(ctx, func() error {
		o, ok := c.overrides[pool]
		if !ok {
			return fmt.Errorf("pool %q has no override", pool)
		}
		delete(c.overrides, pool)
		c.deps.Log.Warn("override cleared", "pool", pool, "force", o.Force, "author", author)
		c.sayOverride(o, "cleared", "", author)
		return nil
	})
}

// Failback lets pool answer again that is up after a fall and waits. Reason is
// for the log and may be "".
func (c *Controller) Failback(ctx context.Context, pool, reason, author string) error {
	return c.command(ctx, func() error {
		p := c.table(c.verdicts(c.now()), c.now()).Pools[pool]
		switch {
		case c.pools[pool] == nil:
			return fmt.Errorf("there is no pool %q (the pools are: %s)", pool, strings.Join(c.poolNames(), ", "))
		case c.freeze != nil:
			return errors.New("automation is off: what waits goes on waiting (shunt unfreeze first, or set an override)")
		case c.waits[pool] == "" && p != nil && p.State == health.Down:
			return fmt.Errorf("pool %s is down: there is nothing to come back to (%s)", pool, p.Reason)
		case c.waits[pool] == "":
			return fmt.Errorf("pool %s does not wait", pool)
		}
		c.deps.Log.Warn("pool let back", "pool", pool, "waited", c.waits[pool], "reason", reason, "author", author)
		c.say(event.Event{Kind: event.Override, Subject: pool, What: "pool " + pool + " is let back", Before: "waits", After: "back", Why: reason, Author: author})
		falls := maps.Clone(c.falls)
		delete(falls, pool)
		c.falls = falls
		return nil
	})
}

// Freeze switches automation off: the pools that answer now go on answering,
// until f.Expires or Unfreeze. Overrides still count.
func (c *Controller) Freeze(ctx context.Context, f health.Freeze) error {
	return c.command(ctx, func() error {
		pools := freezePools(c.verdicts(c.now()))
		if c.freeze != nil {
			pools = c.freeze.Pools // a freeze that is prolonged keeps what it froze
		}
		f.Set, f.Expires = anchor(f.Set, f.Expires, c.now())
		c.freeze = &frozen{Freeze: f, Pools: pools}
		c.deps.Log.Warn("frozen: automation is off", "reason", f.Reason, "author", f.Author, "until", f.Expires)
		c.sayFreeze("set", f.Reason, f.Author)
		return nil
	})
}

// Unfreeze switches automation on again.
func (c *Controller) Unfreeze(ctx context.Context, author string) error {
	return c.command(ctx, func() error {
		if c.freeze == nil {
			return errors.New("nothing is frozen")
		}
		c.sayFreeze("cleared", "", author)
		c.freeze = nil
		c.deps.Log.Warn("unfrozen: automation is on again", "author", author)
		return nil
	})
}

// Reload reads the configuration again and puts it in force, atomically. When
// it cannot be used, or would remove too much and force is false, what ran
// before goes on running, and status says why. Reading and compiling happen
// aside: steering does not wait for them. Reloads take turns, so that none
// puts back what a later one has read.
func (c *Controller) Reload(ctx context.Context, force bool) (err error) {
	if c.deps.Reloaded != nil {
		defer func(began time.Time) { c.deps.Reloaded(began, err) }(time.Now())
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l, removes, err := c.read(ctx, c.loaded)
	if err == nil {
		err = c.vetted(ctx, l.Config, force, func() error { return c.replace(l, removes, force) })
	}
	defer debug.FreeOSMemory() // what reading needed, and the zones of before
	if err == nil || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, c.do(ctx, func() error {
		c.reload = Reload{At: c.now(), Problem: err.Error(), Restart: c.reload.Restart}
		c.deps.Log.Error("reload refused: the configuration of before stays in force", "error", err)
		c.say(event.Event{Kind: event.Reload, What: "a reload was refused: the configuration of before stays in force", After: "refused", Why: err.Error(), Level: event.Warning})
		c.refresh()
		return nil
	}))
}

// vetted runs replace, which puts cfg in force, on Run's goroutine, where
// Deps.Vet does not refuse it. What people read is up to date when it returns.
func (c *Controller) vetted(ctx context.Context, cfg *config.Config, force bool, replace func() error) error {
	if c.deps.Vet == nil {
		return c.do(ctx, replace)
	}
	settle, err := c.deps.Vet(cfg, force)
	if err != nil {
		return err
	}
	err = c.do(ctx, replace)
	settle(err == nil)
	if err != nil {
		return err
	}
	_ = c.do(ctx, func() error { c.refresh(); return nil }) // else the next second does it
	return nil
}

// read loads the configuration, compiles its zones, and says what of inForce
// it would take away too much of. It returns as soon as ctx ends, however long
// reading takes. No input, however strange, ends the process.
func (c *Controller) read(ctx context.Context, inForce *Loaded) (l *Loaded, removes string, err error) {
	type outcome struct {
		l       *Loaded
		removes string
		err     error
	}
	got := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("internal error while reading the configuration: %v", p)
			}
			got <- o
		}()
		var cfg *config.Config
		if cfg, o.err = c.deps.Load(); o.err == nil {
			o.l, o.err = inForce.Next(cfg, nil)
		}
		if o.err == nil {
			o.removes = inForce.removes(o.l)
		}
	}()
	select {
	case o := <-got:
		return o.l, o.removes, o.err
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

// replace puts l in force, on Run's goroutine. Removes is what the guard says
// of it, "" where it says nothing.
func (c *Controller) replace(l *Loaded, removes string, force bool) error {
	broken := c.reloadBreaks(l.Config, c.now())
	if all := slices.Concat(words(removes), broken); len(all) > 0 && !force {
		return Refused{strings.Join(all, "; ")}
	}
	if removes != "" {
		c.deps.Log.Warn("reload removes much, as forced", "what", removes)
	}
	if len(broken) > 0 {
		c.deps.Log.Warn("reload breaks safety rules, as forced", "breaks", strings.Join(broken, "; "))
	}
	// The node hears of it first: monitors follow host names through our own zones.
	c.tell(l)
	if err := c.deps.Monitor.Reload(l.Config); err != nil {
		c.tell(c.loaded)
		return err
	}
	restart := needsRestart(c.started, l.Config)
	c.adopt(l, nil)
	c.refitDrills(c.now())
	c.refitFeeds()
	c.drills.next = nil
	c.reload, c.stale = Reload{At: c.now(), OK: true, Restart: restart}, ""
	c.say(event.Event{Kind: event.Reload, What: "the configuration was read again and is in force", After: "taken"})
	c.decide(reloaded)
	c.deps.Log.Info("reloaded", "path", l.Config.Path, "zones", len(l.Config.Zones), "pools", len(l.Config.Pools), "needs_restart", restart)
	return nil
}

// words returns what is said; nothing for "".
func words(said string) []string {
	if said == "" {
		return nil
	}
	return []string{said}
}

// tell passes l on to the rest of the node.
func (c *Controller) tell(l *Loaded) {
	if c.deps.Adopt != nil {
		c.deps.Adopt(l)
	}
}

// needsRestart lists the keys that take effect at a start only and differ from
// those that the process started with.
func needsRestart(old, new *config.Config) []string {
	keys := []string{}
	note := func(differs bool, key string) {
		if differs {
			keys = append(keys, key)
		}
	}
	note(!slices.Equal(old.Listen.DNS, new.Listen.DNS), "listen.dns")
	note(!slices.Equal(old.Listen.DoT, new.Listen.DoT), "listen.dot")
	note(!slices.Equal(old.Listen.DoH, new.Listen.DoH), "listen.doh")
	note(old.Listen.DoHPath != new.Listen.DoHPath, "listen.doh_path")
	note(old.Listen.Control != new.Listen.Control, "listen.control")
	note(!slices.Equal(old.Listen.Web, new.Listen.Web), "listen.web")
	note(old.Listen.Tokens != new.Listen.Tokens, "listen.tokens")
	note(old.Node.StateDir != new.Node.StateDir, "node.state_dir")
	note(old.Node.User != new.Node.User, "node.user")
	note(old.Node.Log != new.Node.Log, "node.log")
	return keys
}

// poolNames lists the pools in the order of the configuration.
func (c *Controller) poolNames() []string {
	names := make([]string, len(c.loaded.Config.Pools))
	for i, p := range c.loaded.Config.Pools {
		names[i] = p.Name
	}
	return names
}
