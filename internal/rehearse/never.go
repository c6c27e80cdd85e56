package rehearse

import (
	"fmt"
	"slices"
	"time"
)

// A breach says where a trace breaks a rule; "" when it does not.
type breach func(t *Trace) string

// nevers are the rules by name.
func nevers() map[string]breach {
	return map[string]breach{
		"empty_answer":                                      answered("NOERROR", true),
		"nxdomain_for_existing_name":                        answered("NXDOMAIN", false),
		"servfail_while_state_valid":                        answered("SERVFAIL", false),
		"steer_into_down_target_when_up_exists":             intoDown,
		"call_failing_provider_api_in_steering_path":        apiCalls,
		"transitions_over_budget":                           overBudget,
		"crash":                                             crashed,
		"failback_between_flaps":                            backWhile(func(ph *Phase) bool { return ph.Flap != nil }),
		"failback_on_one_good_region":                       backWhile(func(ph *Phase) bool { return ph.By == ByGeo }),
		"failback_on_wrong_body":                            backWhile(func(ph *Phase) bool { return ph.Fault.Kind == WrongBody }),
		"healthy_because_prober_cached_address":             healthyWithoutName,
		"publish_cname_to_empty_target_when_alternative_up": intoEmptyName,
		"probe_only_provider_test_path":                     blindCheck,
		"mark_all_down":                                     allDown,
		"ping_pong_between_cdns":                            pingPong,
		"oscillation":                                       pingPong,
		"self_withdraw_last_server":                         noServer,
		"older_generation_overwrites_newer":                 olderServed,
		"gc_of_active_generation":                           factBreach("gc_of_active_generation"),
		"lkg_equals_crashing_generation":                    factBreach("lkg_equals_crashing_generation"),
	}
}

func isNever(rule string) bool { return nevers()[rule] != nil }

func neverNames() string { return list(nevers()) }

// within is how long a node may take before what it knows counts against it:
// detection at the slowest allowed pace.
const within = 60 * time.Second

func answered(rcode string, empty bool) breach {
	return func(t *Trace) string {
		for _, m := range t.Moves {
			if m.Rcode == rcode && m.Empty == empty {
				return fmt.Sprintf("%s at %v: %s", t.Nodes[m.Node], m.At, m.Why)
			}
		}
		return ""
	}
}

// instants calls f at each moment at which something changed at node, after
// all of it has, with the opinions that hold then.
func (t *Trace) instants(node int, f func(at time.Duration, m *Move, states map[string]string) string) string {
	var times []time.Duration
	for _, m := range t.movesOf(node) {
		times = append(times, m.At)
	}
	for _, s := range t.States {
		if s.Node == node {
			times = append(times, s.At)
		}
	}
	slices.Sort(times)
	states, next := map[string]string{}, 0
	for _, at := range slices.Compact(times) {
		for ; next < len(t.States) && t.States[next].At <= at; next++ {
			if s := t.States[next]; s.Node == node {
				states[s.Pool] = s.State
			}
		}
		if m := t.at(node, at); m != nil {
			if why := f(at, m, states); why != "" {
				return fmt.Sprintf("%s at %v: %s", t.Nodes[node], at, why)
			}
		}
	}
	return ""
}

// anyNode returns the first breach that f finds at a node.
func (t *Trace) anyNode(f func(node int) string) string {
	for n := range t.Nodes {
		if why := f(n); why != "" {
			return why
		}
	}
	return ""
}

func intoDown(t *Trace) string {
	return t.anyNode(func(n int) string {
		return t.instants(n, func(_ time.Duration, m *Move, states map[string]string) string {
			up := ""
			for _, p := range t.Pools {
				if states[p] == "up" {
					up = p
				}
			}
			for _, p := range m.Pools {
				if states[p] == "down" && up != "" {
					return p + " answers and is down, while " + up + " is up"
				}
			}
			return ""
		})
	})
}

// apiCalls finds nothing: between a probe and an answer there is no code that
// could call a provider. The rehearsal would count it here if there were.
func apiCalls(t *Trace) string {
	if t.APICalls > 0 {
		return fmt.Sprintf("%d calls", t.APICalls)
	}
	return ""
}

func overBudget(t *Trace) string {
	if t.Budget == 0 {
		return ""
	}
	return t.anyNode(func(n int) string {
		times := t.changes(n, 0, t.End)
		for i := t.Budget; i < len(times); i++ {
			if times[i]-times[i-t.Budget] < time.Hour {
				return fmt.Sprintf("%s moved %d times in the hour before %v; the budget is %d", t.Nodes[n], t.Budget+1, times[i], t.Budget)
			}
		}
		return ""
	})
}

func crashed(t *Trace) string { return t.Crash }

// backWhile finds a return to a struck pool while a phase of it is on for
// which is says so.
func backWhile(is func(*Phase) bool) breach {
	return func(t *Trace) string {
		for i := range t.Scenario.Phases {
			ph := &t.Scenario.Phases[i]
			pool := t.poolOf(ph.Target)
			if pool == "" || !hurts(ph.Plane) || !is(ph) {
				continue
			}
			why := t.anyNode(func(n int) string {
				left := t.left(n, pool, ph.At)
				if left == never {
					return ""
				}
				if at := t.back(n, pool, left); at < ph.At+ph.For {
					return fmt.Sprintf("%s goes back to %s at %v", t.Nodes[n], pool, at)
				}
				return ""
			})
			if why != "" {
				return why
			}
		}
		return ""
	}
}

// strikesName calls f with each time in which a pool's host name does not
// resolve at all.
func (t *Trace) strikesName(f func(pool string, ph *Phase) string) string {
	for i := range t.Scenario.Phases {
		ph := &t.Scenario.Phases[i]
		if pool := t.poolOf(ph.Target); pool != "" && ph.Plane == EdgeDNS && ph.Ratio == 1 && ph.For > within {
			if why := f(pool, ph); why != "" {
				return why
			}
		}
	}
	return ""
}

func healthyWithoutName(t *Trace) string {
	return t.strikesName(func(pool string, ph *Phase) string {
		return t.anyNode(func(n int) string {
			return t.instants(n, func(at time.Duration, _ *Move, states map[string]string) string {
				if at > ph.At+within && at < ph.At+ph.For && states[pool] == "up" {
					return pool + " is up though its host name does not resolve"
				}
				return ""
			})
		})
	})
}

func intoEmptyName(t *Trace) string {
	return t.strikesName(func(pool string, ph *Phase) string {
		i := t.index(pool)
		return t.anyNode(func(n int) string {
			for at := ph.At + within; at < ph.At+ph.For; at += within {
				if m := t.at(n, at); m != nil && m.Shares[i] > 0 && !m.FailOpen {
					return fmt.Sprintf("%s at %v: %s answers though its host name has no addresses", t.Nodes[n], at, pool)
				}
			}
			return ""
		})
	})
}

// blindCheck finds a pool that stays up through a fault that spares some
// paths, because its checks ask for just those.
func blindCheck(t *Trace) string {
	for i := range t.Scenario.Phases {
		ph := &t.Scenario.Phases[i]
		pool := t.poolOf(ph.Target)
		if pool == "" || ph.Except == nil || ph.For <= within {
			continue
		}
		if why := t.anyNode(func(n int) string {
			if m := t.at(n, ph.At+within); m != nil && m.Shares[t.index(pool)] > 0 {
				return pool + " still answers a minute after the fault: its checks do not see it"
			}
			return ""
		}); why != "" {
			return why
		}
	}
	return ""
}

func allDown(t *Trace) string {
	return t.anyNode(func(n int) string {
		return t.instants(n, func(_ time.Duration, _ *Move, states map[string]string) string {
			for _, p := range t.Pools {
				if states[p] != "down" {
					return ""
				}
			}
			return "every pool is down"
		})
	})
}

// pingPong finds a pool that came back and was left again, twice.
func pingPong(t *Trace) string {
	return t.anyNode(func(n int) string {
		for i, pool := range t.Pools {
			left := 0
			was := 0.0
			for _, m := range t.movesOf(n) {
				if m.Shares[i] == 0 && was > 0 {
					if left++; left > 2 {
						return fmt.Sprintf("%s leaves %s for the third time at %v", t.Nodes[n], pool, m.At)
					}
				}
				was = m.Shares[i]
			}
		}
		return ""
	})
}

func noServer(t *Trace) string {
	for _, at := range t.World.Turns(t.End - 1) {
		answering := false
		for n, node := range t.Nodes {
			m := t.at(n, at)
			answering = answering || m != nil && m.Rcode == "NOERROR" && !t.World.Gone(node, t.Views[n], at)
		}
		if !answering {
			return fmt.Sprintf("no node answers at %v", at)
		}
	}
	return ""
}

func olderServed(t *Trace) string {
	if v, why := generations(t, Expectation{}); v.Number == 0 {
		return why
	}
	return ""
}

func factBreach(name string) breach {
	return func(t *Trace) string {
		if v, ok := t.Facts[name]; ok && v.Number == 1 {
			return v.Text
		}
		return ""
	}
}
