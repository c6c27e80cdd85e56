package rehearse

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A metric measures a trace for an expectation. Why says more than the value,
// "" where there is nothing to say.
type metric func(t *Trace, e Expectation) (got Value, why string)

// metrics are the metrics by name. Three more families are made from the names
// of targets and of alarms: see shareMetric and alarmMetric.
func metrics() map[string]metric {
	fact := func(name string) metric {
		return func(t *Trace, _ Expectation) (Value, string) { return t.Facts.get(name) }
	}
	m := map[string]metric{
		"time_to_detect":              detected,
		"time_to_steer_away":          steerAway,
		"failback_at":                 failback,
		"first_failback_at":           failback,
		"automatic_failback":          automaticFailback,
		"classified_as":               classified,
		"mode":                        mode,
		"answers":                     failOpenOrder,
		"published_transitions":       transitions,
		"clients_moved":               clientsMoved(false),
		"clients_moved_ttl_honouring": clientsMoved(true),
		"resolver_fallback_used":      fact("resolver_fallback_used"),
		"all_ns_still_answering":      allAnswer,
		"remaining_ns_answer_rate":    answerRate,
		"overflow_to":                 overflow,
		"error_minutes":               errorMinutes,
		"min_targets_per_name":        leastTargets,
		"ttl_range_ok":                ttlRange,
		"served_generation_monotonic": generations,
	}
	for _, name := range factNames() {
		m[name] = fact(name)
	}
	return m
}

// factNames are the metrics that trials of the node itself give.
func factNames() []string {
	return []string{
		"answer_qps_capacity_factor", "config_rejected_reason", "served_generation_changed",
		"override_expiry_not_skipped", "rrsig_validity_ok", "apply_after_gc_still_works",
		"nodes_running_new_config_before_soak", "lkg_generation_promoted_after", "automatic_rollback_within",
	}
}

// shareMetric returns the target that a name such as cdn_b_share or
// share_of_cdn_a_answers is about; "" for another name.
func shareMetric(name string) (target string) {
	if t, ok := strings.CutSuffix(name, "_share"); ok {
		target = t
	} else if t, ok := strings.CutPrefix(name, "share_of_"); ok {
		target, ok = strings.CutSuffix(t, "_answers")
		if !ok {
			return ""
		}
	}
	if target = strings.ReplaceAll(target, "_", "-"); roleOf(target) != rolePool {
		return ""
	}
	return target
}

// alarmMetric returns the code of the alarm that a name such as
// alarm_fail_open is about; "" for another name.
func alarmMetric(name string) (code string) {
	code, ok := strings.CutPrefix(name, "alarm_")
	code = strings.ReplaceAll(code, "_", "-")
	if !ok || !slices.ContainsFunc(config.AlarmCodes(), func(a config.AlarmCode) bool { return a.Code == code }) {
		return ""
	}
	return code
}

func isMetric(name string) bool {
	return metrics()[name] != nil || shareMetric(name) != "" || alarmMetric(name) != ""
}

func metricNames() string {
	var codes []string
	for _, a := range config.AlarmCodes() {
		codes = append(codes, strings.ReplaceAll(a.Code, "-", "_"))
	}
	return list(metrics()) + ", TARGET_share, share_of_TARGET_answers, alarm_CODE (" + strings.Join(codes, ", ") + ")"
}

// measure returns what a trace has for e.
func measure(t *Trace, e Expectation) (Value, string) {
	if target := shareMetric(e.Metric); target != "" {
		return share(t, e, target)
	}
	if code := alarmMetric(e.Metric); code != "" {
		return alarmed(code)(t, e)
	}
	return metrics()[e.Metric](t, e)
}

func number(f float64) Value { return Value{Text: trim(f), Number: f, Is: isNumber} }
func word_(s string) Value   { return Value{Text: s, Is: isWord} }
func truth(b bool) Value {
	if b {
		return Value{Text: "true", Number: 1, Is: isTruth}
	}
	return Value{Text: "false", Is: isTruth}
}
func span_(d time.Duration) Value {
	if d == never {
		return Value{Text: "never", Number: math.Inf(1), Is: isDuration}
	}
	return Value{Text: d.Round(time.Millisecond).String(), Number: d.Seconds(), Is: isDuration}
}

// never is the moment of what did not happen.
const never = time.Duration(math.MaxInt64)

// trim writes f with at most four significant digits.
func trim(f float64) string { return fmt.Sprintf("%.4g", f) }

func (f Facts) get(name string) (Value, string) {
	v, ok := f[name]
	if !ok {
		return word_("not tried"), "nothing in this scenario tries it"
	}
	return v, ""
}

// window returns the time that counts for e.
func (t *Trace) window(e Expectation) (from, to time.Duration) {
	if e.To > 0 {
		return e.From, min(e.To, t.End)
	}
	return 0, t.End
}

// classified is what the nodes took the trouble for: blind and origin where
// votes were void for it, else the class of the struck pool's first fall.
func classified(t *Trace, _ Expectation) (Value, string) {
	class := ""
	for _, s := range t.States {
		switch {
		case strings.Contains(s.Held, "control target") || strings.Contains(s.Held, "resolver"):
			return word_("blind"), s.Held
		case strings.Contains(s.Held, "origin"):
			class = "origin"
		case s.State == "down" && class == "":
			class = s.Class
		}
	}
	if class == "" {
		class = "nothing"
	}
	return word_(class), ""
}

func mode(t *Trace, _ Expectation) (Value, string) {
	for _, m := range t.Moves {
		if m.FailOpen {
			return word_("fail-open"), m.Why
		}
	}
	return word_("normal"), ""
}

// soaked is how long an order must have held to be one to fall back on.
const soaked = time.Minute

// failOpenOrder says what answers while failing open: what answered last for
// long enough, or something else.
func failOpenOrder(t *Trace, _ Expectation) (Value, string) {
	for n := range t.Nodes {
		var good []string
		moves := t.movesOf(n)
		for i, m := range moves {
			switch {
			case !m.FailOpen && i+1 < len(moves) && (moves[i+1].At-m.At >= soaked || good == nil):
				good = m.Pools
			case !m.FailOpen:
			case len(m.Pools) == 0 || !slices.Contains(good, m.Pools[0]):
				return word_("other"), m.Why
			default:
				return word_("last-good-order"), m.Why
			}
		}
	}
	return word_("best-up"), "nothing fails open"
}

// alarmed reports whether an alarm began within the window of e.
func alarmed(code string) metric {
	return func(t *Trace, e Expectation) (Value, string) {
		from, to := t.window(e)
		for _, a := range t.Alarms {
			if a.Code == code && a.At >= from && a.At < to {
				return truth(true), a.Text
			}
		}
		return truth(false), ""
	}
}

// changes returns when the set of answering pools of node changed.
func (t *Trace) changes(node int, from, to time.Duration) []time.Duration {
	var out []time.Duration
	moves := t.movesOf(node)
	for i := 1; i < len(moves); i++ {
		if m := &moves[i]; m.At >= from && m.At < to && !sameSet(m.Pools, moves[i-1].Pools) {
			out = append(out, m.At)
		}
	}
	return out
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// transitions counts the changes of the set of pools that answer, at the node
// that has most.
func transitions(t *Trace, e Expectation) (Value, string) {
	from, to := t.window(e)
	most := 0
	for n := range t.Nodes {
		most = max(most, len(t.changes(n, from, to)))
	}
	return number(float64(most)), ""
}

// share is the share of a target's pool in the answers: the greatest in the
// window where it may not be more, else the least.
func share(t *Trace, e Expectation, target string) (Value, string) {
	pool := t.index(t.poolOf(target))
	if pool == nowhere {
		return number(0), "no pool of the service stands for " + target
	}
	from, to := t.window(e)
	got := math.NaN()
	for n := range t.Nodes {
		for _, s := range t.shares(n, pool) {
			if s.to <= from || s.from >= to {
				continue
			}
			switch {
			case math.IsNaN(got), e.Op == "ge" && s.value < got, e.Op != "ge" && s.value > got:
				got = s.value
			}
		}
	}
	return number(got), ""
}

// clientsMoved is the share of clients that have left the struck pool at a
// moment of the scenario.
func clientsMoved(honouring bool) metric {
	return func(t *Trace, e Expectation) (Value, string) {
		pool := t.index(t.hurt)
		if pool == nowhere {
			return number(0), "the scenario strikes no pool of the service"
		}
		return number(1 - t.clientsOn(pool, e.At, honouring)), ""
	}
}

// clientsOn returns the share of clients that use pool at a moment, of all or
// of those whose resolver keeps to TTLs.
func (t *Trace) clientsOn(pool int, at time.Duration, honouring bool) float64 {
	on, all := 0.0, 0.0
	t.Clients.each(t.End, func(p int, from, to time.Duration, share float64, honours bool) {
		if honouring && !honours || at < from || at >= to {
			return
		}
		all += share
		if p == pool {
			on += share
		}
	})
	if all == 0 {
		return 0
	}
	return on / all
}

// allAnswer reports whether every node answered all the time.
func allAnswer(t *Trace, e Expectation) (Value, string) {
	rate, why := t.answering(true)
	return truth(rate == 1), why
}

// answerRate is the share of time in which the nodes that are in service give
// a right answer.
func answerRate(t *Trace, e Expectation) (Value, string) {
	rate, why := t.answering(false)
	return number(rate), why
}

func (t *Trace) answering(gone bool) (rate float64, why string) {
	good, all := 0.0, 0.0
	for n, node := range t.Nodes {
		moves := t.movesOf(n)
		turns := t.World.Turns(t.End)
		for _, m := range moves {
			turns = append(turns, m.At)
		}
		slices.Sort(turns)
		for i, at := range turns[:len(turns)-1] {
			length := (turns[i+1] - at).Seconds()
			out := t.World.Gone(node, t.Views[n], at)
			if out && !gone {
				continue
			}
			all += length
			switch m := t.at(n, at); {
			case out:
				why = node + " is out of service"
			case m == nil || m.Rcode != "NOERROR" || m.Empty:
				why = node + " gave no answer"
			default:
				good += length
			}
		}
	}
	if all == 0 {
		return 0, "no node is in service"
	}
	if good == all {
		return 1, why
	}
	return good / all, why
}

// overflow says where the answers go that a full pool has no room for.
func overflow(t *Trace, _ Expectation) (Value, string) {
	for _, m := range t.Moves {
		if len(m.Pools) < 2 || m.FailOpen {
			continue
		}
		for _, p := range m.Pools {
			if !strings.HasPrefix(t.Roles[p], "cdn-") {
				return word_("org-or-static"), p + " takes what the others have no room for"
			}
		}
	}
	return word_("nothing"), ""
}

// errorMinutes is the minutes of a total outage that are as bad as what users
// saw.
func errorMinutes(t *Trace, _ Expectation) (Value, string) {
	return number(t.errorMinutes(t.Clients)), ""
}

// leastTargets is the least number of pools that answered.
func leastTargets(t *Trace, _ Expectation) (Value, string) {
	least := math.Inf(1)
	for _, m := range t.Moves {
		n := len(m.Pools)
		if m.Empty {
			n = 0
		}
		least = min(least, float64(n))
	}
	return number(least), ""
}

// ttlRange reports whether every TTL lay between a second and the service's.
func ttlRange(t *Trace, _ Expectation) (Value, string) {
	for _, m := range t.Moves {
		if m.TTL < time.Second || m.TTL > t.TTL {
			return truth(false), fmt.Sprintf("a TTL of %v at %v", m.TTL, m.At)
		}
	}
	return truth(true), ""
}

// generations reports whether the generations that each node served only grew.
func generations(t *Trace, _ Expectation) (Value, string) {
	for n := range t.Nodes {
		last := uint64(0)
		for _, m := range t.movesOf(n) {
			if m.Gen < last {
				return truth(false), fmt.Sprintf("generation %d after %d at %v", m.Gen, last, m.At)
			}
			last = m.Gen
		}
	}
	return truth(true), ""
}
