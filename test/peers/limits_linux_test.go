//go:build peers

package peers

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDescriptors lowers how many files and connections a node may have, until
// hardly another one can be opened: people hear of it, and answers go on.
func TestDescriptors(t *testing.T) {
	s := newStage(t, "")
	n := serve(t, s.dir)
	n.alarms("as it is", nil, []string{"descriptors-low"})
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	limit := func(most uint64) {
		if err := unix.Prlimit(n.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: before.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Prlimit(n.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	w := watch(n.addr, www)
	limit(uint64(len(open))*100/88 + 2)
	n.alarms("most of them open", []string{"descriptors-low"}, nil)
	s.failsOver(n)
	limit(before.Cur)
	n.alarms("enough again", nil, []string{"descriptors-low"})
	w.end(t)
}
