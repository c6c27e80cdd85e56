package providers

import (
	"context"
	"errors"
	"time"
)

// A Pushed is one push that ended.
type Pushed struct {
	Provider string
	Kind     string
	Began    time.Time
	Ended    time.Time
	Result   Result
	Why      string // it was not done; "" where it was
}

// A Result is how a push ended.
type Result string

// The results of a push.
const (
	Done       Result = "done"       // all that was to do is served
	Superseded Result = "superseded" // the answer changed meanwhile: another push goes on
	Refused    Result = "refused"    // it was more than one run may change
	Failed     Result = "failed"
	Stopped    Result = "stopped" // the process, or the provider's place in the configuration, ended
)

// pushed tells of a push that began at the moment began and ended as err says.
func (w *worker) pushed(began time.Time, err *error) {
	if w.k.deps.Pushed == nil {
		return
	}
	p := Pushed{Provider: w.cfg.Name, Kind: w.cfg.Kind, Began: began, Ended: time.Now(), Result: resultOf(*err)}
	if *err != nil {
		p.Why = (*err).Error()
	}
	w.k.deps.Pushed(p)
}

// resultOf returns what err says.
func resultOf(err error) Result {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, errSuperseded):
		return Superseded
	case errors.Is(err, errRefused):
		return Refused
	case errors.Is(err, context.Canceled):
		return Stopped
	}
	return Failed
}
