package config

import (
	"fmt"
	"strings"
)

// nearest returns the one of names that is closest to word, "" when none is
// close enough to be what was meant. It looks at no more than 10,000 names.
func nearest(word string, names []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", 1+max(1, len(word)/3)
	for _, n := range names[:min(len(names), 10_000)] {
		if n == word || len(n) > 64 || abs(len(n)-len(word)) >= least {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the octets to insert, remove, replace or swap with their
// neighbour to make a into b.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// known lists the keys that may be written.
func known(names []string) string {
	switch len(names) {
	case 0:
		return "there are no keys; write {}"
	case 1:
		return "the only key is " + names[0]
	}
	return "the keys are " + listed(names)
}

// listed joins names for people, at most 20 of them.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// clip shortens what an operator wrote to what fits a message.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
