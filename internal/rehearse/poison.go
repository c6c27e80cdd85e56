package rehearse

import (
	"fmt"
	"time"

	"github.com/shunt-dns/shunt/internal/known"
)

const (
	restartWait = time.Second            // RestartSec of the unit that comes with the program
	roundGrace  = 500 * time.Millisecond // what a first round takes beside the longest timeout
)

// The configurations of a node that is given a poisoned one, as their hashes.
const (
	soundHash    = "sound"
	poisonedHash = "poisoned"
)

// poisoned has the node take a configuration that passes every check and ends
// the process later. What the process would remember of it, and start with
// again, is decided as serve decides it.
//
//	ph.Fault.Crash      facts
//	none                it is promoted after the soak
//	within the soak     it is never promoted; the node is back with the one before
//	after the soak      it is promoted, and what crashes then is known good
func (n *node) poisoned(ph *Phase) []trial {
	var memory known.Memory
	take := trial{ph.At, func() {
		memory = memory.Taken(soundHash, n.now, false).Soaked().Taken(poisonedHash, n.now, false)
		if err := n.reload(n.cfg); err != nil {
			n.note("the poisoned configuration is refused: %v", err)
		}
		n.t.Facts["nodes_running_new_config_before_soak"] = number(n.t.Facts["nodes_running_new_config_before_soak"].Number + 1)
		n.t.fact("lkg_generation_promoted_after", span_(never), true)
		n.note("takes a configuration that passes every check")
	}}
	soaked := trial{ph.At + known.Soak, func() {
		if memory.Running == poisonedHash {
			memory = memory.Soaked()
			n.t.fact("lkg_generation_promoted_after", span_(known.Soak), false)
		}
	}}
	crash := trial{ph.At + ph.Fault.Crash, func() {
		memory = memory.Crashed("rehearsed", n.now)
		chosen, back := memory.Choose(poisonedHash), never
		if chosen == soundHash {
			back = restartWait + n.firstRound() + roundGrace
		}
		memory = memory.Taken(chosen, n.now, false)
		_, err := n.ctl.Restarted(n.now.Add(restartWait))
		n.t.fact("automatic_rollback_within", span_(back), back != never && err == nil)
		bad := memory.Good[0] == poisonedHash
		n.t.fact("lkg_equals_crashing_generation", truth(bad), !bad)
		n.note("the process ends; the next one starts with the %s configuration, and answers at the latest %v later", chosen, restartWait+n.firstRound()+roundGrace)
	}}
	switch {
	case ph.Fault.Crash == 0:
		return []trial{take, soaked}
	case ph.Fault.Crash < known.Soak:
		return []trial{take, crash, soaked}
	}
	return []trial{take, soaked, crash}
}

// firstRound is how long the first round of probes may take: as long as the
// longest timeout.
func (n *node) firstRound() (longest time.Duration) {
	for _, m := range n.cfg.Monitors {
		longest = max(longest, m.Timeout)
	}
	return longest
}

// note adds a line to the timeline.
func (n *node) note(format string, args ...any) {
	n.t.Notes = append(n.t.Notes, Note{n.at(), n.nth, fmt.Sprintf(format, args...)})
}
