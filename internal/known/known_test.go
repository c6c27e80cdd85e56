package known

import (
	"strings"
	"testing"
	"time"
)

// TestMemory plays a life in words, and wants what a start then takes:
//
//	take=H   H comes into force      soak      it has been so for ten minutes
//	force=H  a person insists on it  crash     the process ends by a panic
//	kill     it ends without a trace start=H→G the files on disk are H; G is started with
//	lose=H   the copy of H is gone     try=H   H is about to come into force; try= no longer
func TestMemory(t *testing.T) {
	for about, life := range map[string]string{
		"the very first":                        "start=A→A",
		"a crash with nothing good behind it":   "take=A crash start=A→A",
		"a poisoned one":                        "take=A soak take=B crash start=B→A",
		"and again, after a restart":            "take=A soak take=B crash start=B→A take=A kill start=B→A",
		"and what is good crashes too":          "take=A soak take=B crash start=B→A take=A crash start=B→A",
		"a changed file leads out":              "take=A soak take=B crash start=C→C",
		"putting the file back, too":            "take=A soak take=B crash start=A→A",
		"but not to the same again":             "take=A soak take=B crash take=C start=B→A",
		"a person may insist":                   "take=A soak take=B crash take=A force=B start=B→B",
		"until it crashes again":                "take=A soak take=B crash take=A force=B crash start=B→A",
		"a kill says nothing":                   "take=A soak take=B kill start=B→B",
		"a crash after the soak says nothing":   "take=A soak take=B soak crash start=B→B",
		"nor one of what was good before":       "take=A soak take=B soak take=A crash start=A→A",
		"what soaks after all is good":          "take=A soak take=B crash take=A force=B soak start=B→B",
		"two poisoned ones in a row":            "take=A soak take=B crash take=C crash start=C→A start=B→A",
		"the newest good one counts":            "take=A soak take=B soak take=C crash start=C→B",
		"one whose copy is gone does not":       "take=A soak take=B soak take=C crash lose=B start=C→A",
		"three are kept":                        "take=A soak take=B soak take=C soak take=D soak lose=D lose=C lose=B take=E crash start=E→E",
		"and the third is":                      "take=A soak take=B soak take=C soak lose=C lose=B take=E crash start=E→A",
		"taking up again what soaked":           "take=A soak take=B soak take=A soak take=C crash start=C→A",
		"a crash on the way into force":         "take=A soak try=B crash start=B→A",
		"and not of what was refused":           "take=A soak take=C try=B try= crash start=B→B start=C→A",
		"nor after it came":                     "take=A soak try=B take=B take=C crash start=B→B start=C→A",
		"crashes of nothing":                    "crash start=A→A",
		"many poisoned ones are not forgotten ": "take=A soak take=B crash take=C crash take=D crash take=E crash start=B→A",
	} {
		m, at := Memory{}, time.Unix(0, 0)
		for _, word := range strings.Fields(life) {
			verb, hash, _ := strings.Cut(word, "=")
			before := m
			switch verb {
			case "take":
				m = m.Taken(hash, at, false)
			case "force":
				m = m.Taken(hash, at, true)
			case "try":
				m = m.Tries(hash)
			case "soak":
				m = m.Soaked()
			case "crash":
				m = m.Crashed("panic", at)
			case "kill":
			case "lose":
				m = m.Lost(hash)
			case "start":
				file, want, _ := strings.Cut(hash, "→")
				if got := m.Choose(file); got != want {
					t.Errorf("%s: %s: started with %s", about, word, got)
				}
			default:
				t.Fatalf("%s: no word %q", about, word)
			}
			if len(before.Good) > 0 && before.Good[0] == "" {
				t.Errorf("%s: a value was changed", about)
			}
		}
	}
}
