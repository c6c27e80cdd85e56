package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An AbortKind is what a condition of a drill looks at.
type AbortKind string

// The kinds of condition.
const (
	AbortFailOpen AbortKind = "fail-open"
	AbortSurvivor AbortKind = "survivor down"
	AbortPool     AbortKind = "pool down"
	AbortAnswers  AbortKind = "answers"
	AbortLatency  AbortKind = "probe latency"
)

// An Abort is a condition that ends a drill early.
type Abort struct {
	Kind    AbortKind
	Pool    string        // of AbortPool and AbortAnswers
	Share   float64       // AbortAnswers: below it; above 0, at most 1
	Latency time.Duration // AbortLatency: above it
	Text    string        // as ParseAbort reads it
}

// ParseAbort reads a condition:
//
//	fail-open                 a service of the drill fails open
//	survivor down             a pool of its services falls that it does not take away
//	pool X down               that one does
//	answers from X < 10%      it gives fewer of the latest answers
//	probe latency > 800ms     of a survivor, for ten seconds
//
// The error says how to write it.
func ParseAbort(text string) (Abort, error) {
	const name = `([A-Za-z0-9][A-Za-z0-9._-]*)`
	a := Abort{Text: strings.Join(strings.Fields(text), " ")}
	if m := regexp.MustCompile(`^pool ` + name + ` down$`).FindStringSubmatch(a.Text); m != nil {
		a.Kind, a.Pool = AbortPool, m[1]
		return a, nil
	}
	if m := regexp.MustCompile(`^answers from ` + name + ` ?< ?([0-9.]+)%$`).FindStringSubmatch(a.Text); m != nil {
		if f, err := strconv.ParseFloat(m[2], 64); err == nil && f > 0 && f <= 100 {
			a.Kind, a.Pool, a.Share = AbortAnswers, m[1], f/100
			return a, nil
		}
	}
	if m := regexp.MustCompile(`^probe latency ?> ?([0-9a-z]+)$`).FindStringSubmatch(a.Text); m != nil {
		if d, err := ParseDuration(m[1]); err == nil && d > 0 {
			a.Kind, a.Latency = AbortLatency, d
			return a, nil
		}
	}
	switch a.Kind = AbortKind(a.Text); a.Kind {
	case AbortFailOpen, AbortSurvivor:
		return a, nil
	}
	return Abort{}, fmt.Errorf("%q is no condition (%s)", clip(text), abortMend)
}

const abortMend = `write "fail-open", "survivor down", "pool X down", "answers from X < 10%" or "probe latency > 800ms"`
