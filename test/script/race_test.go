//go:build race

package script

// buildFlags let the race detector watch the program as it watches the tests.
var buildFlags = []string{"-race"}
