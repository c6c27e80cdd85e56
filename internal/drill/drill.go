// Package drill is what an outage on purpose consists of: a [Plan], guards
// that look whether it may begin ([Check]), a forecast of who gets what
// ([Predict]), and a [Report] that each second of it writes on, and that says
// when a condition of the plan ends it early.
//
// It computes and nothing else: it starts no goroutine, opens no socket or
// file, never looks at the clock, and moves no answer. Who does, tells it of
// each [Moment] and does what it says.
package drill

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/steer"
)

// Longest is the most that a drill may last, Shortest the least.
const (
	Longest  = 72 * time.Hour
	Shortest = time.Second
)

// A Plan is a drill as somebody asks for it.
type Plan struct {
	ID       string   `json:"id"`
	Practice string   `json:"practice,omitempty"` // name of the practice run it is; "" for one that a person starts
	Pools    []string `json:"pools"`              // that are taken away, at least one
	Services []string `json:"services,omitempty"` // whose answers move, fully qualified; none: all that have one of Pools
	Clients  []string `json:"clients,omitempty"`  // whose answers move, as config.ParseWhere reads them; none: everyone's
	Share    float64  `json:"share"`              // of the answers that the pools would give, above 0, at most 1
	AbortIf  []string `json:"abort_if,omitempty"` // beside what always counts, see Always; as config.ParseAbort reads it
	Reason   string   `json:"reason"`
	Author   string   `json:"author"`

	Began time.Time `json:"began"`
	Ends  time.Time `json:"ends"` // by itself; Shortest to Longest after Began
}

// Check reports what is wrong with p itself, whatever there is to drill.
func (p *Plan) Check() error {
	var errs []error
	say := func(wrong bool, what string) {
		if wrong {
			errs = append(errs, errors.New(what))
		}
	}
	say(len(p.Pools) == 0, "a drill needs a pool")
	say(strings.TrimSpace(p.Reason) == "", "a reason is required")
	say(strings.TrimSpace(p.Author) == "", "an author is required")
	lasts := p.Ends.Sub(p.Began)
	say(lasts < Shortest, "a drill lasts at least "+config.FormatDuration(Shortest))
	say(lasts > Longest, "a drill lasts at most "+config.FormatDuration(Longest))
	say(!(p.Share > 0 && p.Share <= 1), "the share must be above 0% and at most 100%")
	if _, err := p.Where(); err != nil {
		errs = append(errs, err)
	}
	if _, err := p.Conditions(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Where returns whom p is about; none: everyone.
func (p *Plan) Where() ([]config.Where, error) {
	var out []config.Where
	for _, text := range p.Clients {
		w, err := config.ParseWhere(text)
		if err != nil {
			return nil, fmt.Errorf("clients: %w", err)
		}
		out = append(out, w)
	}
	return out, nil
}

// Conditions returns what ends p early: Always, and those it names.
func (p *Plan) Conditions() ([]config.Abort, error) {
	out := Always()
	for _, text := range p.AbortIf {
		a, err := config.ParseAbort(text)
		if err != nil {
			return nil, fmt.Errorf("abort if: %w", err)
		}
		if a.Pool != "" && slices.Contains(p.Pools, a.Pool) {
			return nil, fmt.Errorf("abort if: %q: %s is what the drill takes away", text, a.Pool)
		}
		out = append(out, a)
	}
	return out, nil
}

// Drills returns what p is to steering, by pool. The plan must be sound.
func (p *Plan) Drills() map[string]steer.Drill {
	where, _ := p.Where() // sound: Check has looked
	out := make(map[string]steer.Drill, len(p.Pools))
	for _, pool := range p.Pools {
		out[pool] = steer.Drill{Name: p.ID, Share: p.Share, Clients: where}
	}
	return out
}

// Whole reports whether p takes its pools away altogether, from everyone.
func (p *Plan) Whole() bool { return p.Share >= 1 && len(p.Clients) == 0 }

// An Outcome is how a drill ended.
type Outcome string

// The outcomes.
//
//	outcome       the drill
//	planned       would begin: this is a dry run
//	running       goes on
//	succeeded     came to its end
//	interrupted   was stopped: by a person's word, a reload, or since the pools that it took away fell in earnest
//	failed        showed a weakness: a survivor fell, a service failed open, another condition of its plan was met
//	refused       never began: a guard said no
const (
	Planned     Outcome = "planned"
	Running     Outcome = "running"
	Succeeded   Outcome = "succeeded"
	Interrupted Outcome = "interrupted"
	Failed      Outcome = "failed"
	Refused     Outcome = "refused"
)
