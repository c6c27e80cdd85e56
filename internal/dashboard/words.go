package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/internal/controller"
)

// The states of pools and endpoints.
const (
	up   = "up"
	down = "down"
)

// age writes d as a person says it: 42s, 12m, 3h05m, 4d. The script of the
// pages goes on counting in the same words.
func age(d time.Duration) string {
	switch d = max(d, 0).Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d/time.Minute%60)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// percent writes p, which is of a hundred: 5 %, 0.1 %, 33.3 %.
func percent(p float64) string {
	return strconv.FormatFloat(math.Round(10*p)/10, 'f', -1, 64) + " %"
}

// perSecond writes a rate: 0.4, 12, 3,400.
func perSecond(f float64) string {
	if f < 10 {
		return strconv.FormatFloat(math.Round(10*f)/10, 'f', -1, 64)
	}
	return thousands(int(math.Round(f)))
}

// thousands writes n with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural writes n and the word behind it.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + one + "s"
}

// host writes a fully qualified name without its final dot.
func host(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// hosts writes fully qualified names without their final dots.
func hosts(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = host(name)
	}
	return out
}

// A headline says in a sentence how the node is.
type headline struct {
	Level string // good, warn or bad
	Text  string
}

// sumUp returns the headline of s.
//
//	first that holds                headline is   and says
//	nothing is decided yet          warn          that it starts
//	critical alarms                 bad           how many things are wrong, and the first of them
//	others                          warn          that every service answers, and the first of them
//	otherwise                       good          that all is well
func sumUp(s *controller.Status) headline {
	if s.Generation == 0 {
		return headline{"warn", "Starting: the first round of probes is under way."}
	}
	if len(s.Alarms) == 0 {
		text := "All is well: every service answers."
		if n := len(s.Pools); n > 0 {
			text = fmt.Sprintf("All is well: %s up, every service answers.", areUp(s.Pools))
		}
		return headline{"good", text}
	}
	var critical, others []string
	for _, a := range s.Alarms {
		if a.Severity == "critical" {
			critical = append(critical, told(a))
		} else {
			others = append(others, told(a))
		}
	}
	if n := len(critical); n > 0 {
		return headline{"bad", fmt.Sprintf("%s wrong: %s.", things(n), some(critical))}
	}
	return headline{"warn", fmt.Sprintf("Every service answers, but %s.", some(others))}
}

// areUp says how many of pools are up.
func areUp(pools []controller.PoolStatus) string {
	n := 0
	for _, p := range pools {
		if p.State == up {
			n++
		}
	}
	switch {
	case n == len(pools) && n == 1:
		return "the pool is"
	case n == len(pools):
		return fmt.Sprintf("all %s pools are", thousands(n))
	}
	return fmt.Sprintf("%s of %s pools are", thousands(n), thousands(len(pools)))
}

// things counts what is wrong, with its verb.
func things(n int) string {
	if n == 1 {
		return "One thing is"
	}
	return thousands(n) + " things are"
}

// some joins the first of clauses, and says how many more there are.
func some(clauses []string) string {
	const most = 3
	if n := len(clauses) - most; n > 0 {
		return strings.Join(clauses[:most], ", ") + ", and " + thousands(n) + " more"
	}
	return strings.Join(clauses, ", ")
}

// told says an alarm in a clause.
func told(a controller.Alarm) string {
	subject := host(a.Subject)
	if say := map[string]string{
		"fail-open":          "%s answers though nothing is up",
		"no-answer":          "%s has nothing to answer with",
		"fence-down":         "%s has nothing up inside its fence",
		"fence-open":         "the fence of %s is open",
		"capacity-short":     "%s has too little capacity",
		"budget-spent":       "%s has moved too often",
		"pool-down":          "%s is down",
		"waits-for-person":   "%s waits to be let back",
		"held":               "failures of %s do not count",
		"override-ending":    "the override of %s ends soon",
		"drill-running":      "drill %s is under way",
		"drill-failed":       "drill %s failed",
		"certificate-ending": "the certificate of %s ends soon",
		"secondary-behind":   "secondary %s is behind",
	}[a.Code]; say != "" && subject != "" {
		return fmt.Sprintf(say, subject)
	}
	if say := map[string]string{
		"blind":           "this node cannot see the world",
		"frozen":          "automation is off",
		"freeze-ending":   "the freeze ends soon",
		"reload-refused":  "the last reload was refused",
		"state-not-saved": "the state cannot be saved",
		"rolled-back":     "an older configuration stands in",
		"places-stale":    "databases of places are stale",
	}[a.Code]; say != "" {
		return say
	}
	what, _, _ := strings.Cut(a.What, "\n")
	what = strings.TrimRight(what, ".")
	if subject == "" || strings.Contains(what, subject) {
		return what
	}
	return subject + ": " + what
}

// stop ends a sentence.
func stop(text string) string {
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// stamp writes a moment, in UTC as logs do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clock writes a moment of the same day.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// count writes n and the word behind it, of which there is one or many.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}
