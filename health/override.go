package health

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// NewOverride returns the word of author that pool be treated as force says,
// for the duration d from now.
//
// It refuses an unknown force, an empty pool, reason or author, and a
// duration that is not positive or longer than [MaxOverride]. Set and Expires
// are wall clock times: they outlive the process.
func NewOverride(pool string, force Force, reason, author string, now time.Time, d time.Duration) (Override, error) {
	now = now.Round(0)
	o := Override{Pool: pool, Force: force, Reason: strings.TrimSpace(reason), Author: strings.TrimSpace(author), Set: now, Expires: now.Add(d)}
	if err := o.Check(); err != nil {
		return Override{}, err
	}
	return o, nil
}

// Check reports what is wrong with an override that was read from a file.
func (o Override) Check() error {
	if o.Pool == "" {
		return errors.New("an override needs a pool")
	}
	switch o.Force {
	case ForceUp, ForceDown, ForceDrain:
	default:
		return fmt.Errorf("override of %s: unknown force %q (up, down or drain)", o.Pool, o.Force)
	}
	if err := checkWord(o.Reason, o.Author, o.Expires.Sub(o.Set)); err != nil {
		return fmt.Errorf("override of %s: %w", o.Pool, err)
	}
	return nil
}

// A Freeze switches the automation off: the answers stay as they are until it
// ends.
type Freeze struct {
	Reason  string    `json:"reason"`
	Author  string    `json:"author"`
	Set     time.Time `json:"set"`
	Expires time.Time `json:"expires"` // at most MaxOverride after Set
}

// NewFreeze returns the word of author that answers stay as they are for the
// duration d from now, on the terms of [NewOverride].
func NewFreeze(reason, author string, now time.Time, d time.Duration) (Freeze, error) {
	now = now.Round(0)
	f := Freeze{Reason: strings.TrimSpace(reason), Author: strings.TrimSpace(author), Set: now, Expires: now.Add(d)}
	if err := f.Check(); err != nil {
		return Freeze{}, err
	}
	return f, nil
}

// Check reports what is wrong with a freeze that was read from a file.
func (f Freeze) Check() error {
	if err := checkWord(f.Reason, f.Author, f.Expires.Sub(f.Set)); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return nil
}

// Active reports whether f holds at now.
func (f Freeze) Active(now time.Time) bool { return now.Before(f.Expires) }

// checkWord holds an operator's word to its terms.
func checkWord(reason, author string, d time.Duration) error {
	switch {
	case reason == "":
		return errors.New("a reason is required")
	case author == "":
		return errors.New("an author is required")
	case d <= 0:
		return errors.New("it must last longer than no time")
	case d > MaxOverride:
		return fmt.Errorf("it lasts %v, longer than the %v allowed", d, MaxOverride)
	}
	return nil
}
