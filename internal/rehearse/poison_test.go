package rehearse

import (
	"fmt"
	"testing"
)

// TestPoisoned: what crashes within the soak is never known good and rolled
// back; what crashes after it was known good, and stays; what does not crash
// is promoted.
func TestPoisoned(t *testing.T) {
	for crash, want := range map[string]string{
		", crash_after: 300s": "never / 4.5s / never",
		", crash_after: 599s": "never / 4.5s / never",
		", crash_after: 11m":  "10m0s / never / it did",
		", crash_after: 600s": "10m0s / never / it did",
		"":                    "10m0s / not tried / never",
	} {
		s, err := Parse("poisoned.yaml", fmt.Appendf(nil, `
id: poisoned
title: Poisoned
phases:
  - {at: 1m, for: 30m, target: ns1, plane: controller, fault: {kind: oversize_config%s}}
expect:
  - {metric: lkg_generation_promoted_after, ge: 600s}
  - {metric: automatic_rollback_within, le: 30s}
never: [lkg_equals_crashing_generation]
`, crash))
		if err != nil {
			t.Fatal(err)
		}
		v := rehearsed(t, s, 1).Verdicts
		if got := fmt.Sprintf("%s / %s / %s", v[0].Got, v[1].Got, v[2].Got); got != want {
			t.Errorf("%q: got %s, want %s", crash, got, want)
		}
	}
}
