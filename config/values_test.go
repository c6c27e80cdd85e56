package config

import (
	"testing"
	"time"
)

// One syntax of durations, for the file and for the command line.
func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"3d": 72 * time.Hour, "1h30m": 90 * time.Minute, "100ms": 100 * time.Millisecond, "0": 0} {
		if d, err := ParseDuration(text); d != want || err != nil {
			t.Errorf("%s is %v, %v; want %v", text, d, err, want)
		}
	}
	for text, want := range map[string]string{
		"":     `"" is not a duration (write a number and its unit: ms, s, m, h or d, as in 30s)`,
		"30":   `"30" is not a duration (write 30s)`,
		"-1h":  `"-1h" is not a duration (write a number and its unit: ms, s, m, h or d, as in 30s)`,
		"1.5h": `"1.5h" is not a duration (write 90m: whole numbers, each with its unit behind it)`,
		"3w":   `"3w" is not a duration (write a number and its unit: ms, s, m, h or d, as in 30s)`,
	} {
		if _, err := ParseDuration(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
