package monitor

import (
	"container/heap"
	"time"
)

// A schedule is what is due when: a heap of targets, the soonest first.
type schedule []*target

// set makes t due at the given time, also when it was due at another.
func (s *schedule) set(t *target, due time.Time) {
	t.due = due
	if t.index >= 0 {
		heap.Fix(s, t.index)
		return
	}
	heap.Push(s, t)
}

// drop takes t off the schedule.
func (s *schedule) drop(t *target) {
	if t.index >= 0 {
		heap.Remove(s, t.index)
	}
}

// due takes the soonest target that is due at now off the schedule, and
// returns nil when none is.
func (s *schedule) dueBy(now time.Time) *target {
	if len(*s) == 0 || (*s)[0].due.After(now) {
		return nil
	}
	return heap.Pop(s).(*target)
}

// Len, Less, Swap, Push and Pop make a schedule a heap.Interface.
func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push is part of heap.Interface.
func (s *schedule) Push(x any) {
	t := x.(*target)
	t.index = len(*s)
	*s = append(*s, t)
}

// Pop is part of heap.Interface.
func (s *schedule) Pop() any {
	old := *s
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	t.index = -1
	return t
}
