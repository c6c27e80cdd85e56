package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/resolver/xfr"
)

// secondaryRows are the lines of the table of secondaries.
func secondaryRows(list []xfr.Secondary) [][]string {
	rows := [][]string{{"SECONDARY", "ADDRESS", "STATE", "FOR", "ZONES", "LAG", "LAST TRANSFER", "REASON"}}
	for _, s := range list {
		since, lag, last := "", "", ""
		if s.Since != nil && !s.Since.IsZero() {
			since = age(time.Since(*s.Since))
		}
		if s.Lag > 0 {
			lag = age(time.Duration(s.Lag * float64(time.Second)))
		}
		if t := s.Transfer; t != nil {
			last = fmt.Sprintf("%s %s to %d, %s ago", strings.ToUpper(string(t.Kind)), t.Zone, t.Serial, age(time.Since(t.At)))
		}
		rows = append(rows, []string{s.Name, s.Address, s.State, since, fmt.Sprintf("%d/%d", s.Serves, s.Zones), lag, last, oneLine(reasonOf(s))})
	}
	return rows
}

// reasonOf says which zones of s are not as they should be, and why.
func reasonOf(s xfr.Secondary) string {
	if s.Behind == 0 {
		return ""
	}
	var late []string
	for _, z := range s.ZonesSeen {
		if z.State != xfr.Behind && z.State != xfr.Silent {
			continue
		}
		if len(late) == 3 {
			late = append(late, "…")
			break
		}
		late = append(late, fmt.Sprintf("%s at %s of %d", z.Zone, serial(z.Seen), z.Serial))
	}
	if s.Error != "" {
		return strings.Join(late, ", ") + ": " + s.Error
	}
	return strings.Join(late, ", ")
}

// serial writes a serial that may not be known.
func serial(n *uint32) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}
