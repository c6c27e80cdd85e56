package config

// An AlarmCode is one kind of alarm that a node may raise.
type AlarmCode struct {
	Code  string
	Means string // in a few words, for people; docs/operations.md has a section for each
}

// AlarmCodes returns all of them, sorted. It is the one table of them: routes
// of alerts, scenarios of rehearsals and the runbook are held to it.
func AlarmCodes() []AlarmCode {
	return []AlarmCode{
		{"alert-failing", "a route of alerts does not deliver"},
		{"alerts-not-saved", "what people were told of cannot be written down"},
		{"audit-not-saved", "who changed something cannot be written down"},
		{"blind", "this node cannot see the world"},
		{"budget-spent", "answers moved too often, and avoidable moves are not made"},
		{"capacity-short", "the pools that are up cannot carry everything"},
		{"certificate-ending", "a certificate ends soon, or has"},
		{"certificate-not-used", "the files of the node's own certificate cannot be used"},
		{"clock-off", "the clock of this machine is wrong, or was set"},
		{"decisions-old", "nothing has been decided for a while"},
		{"descriptors-low", "the process may hardly open another file or connection"},
		{"disk-full", "nothing can be written to the state directory"},
		{"disk-hangs", "the disk of the state directory does not answer"},
		{"disk-nearly-full", "the disk of the state directory has little room left"},
		{"drill-failed", "a drill showed a weakness"},
		{"drill-running", "pools are away on purpose"},
		{"events-not-saved", "the latest events cannot be written down"},
		{"fail-open", "a service answers though nothing is up"},
		{"fence-down", "nothing inside a fence is up"},
		{"fence-open", "a fence let pools outside it answer"},
		{"freeze-ending", "automation comes back soon"},
		{"frozen", "automation is off"},
		{"goroutines-many", "the process does more at once than it should"},
		{"held", "failures of a pool do not count"},
		{"no-answer", "a service has nothing to answer with"},
		{"override-ending", "an override ends soon"},
		{"places-old", "a database of places was made long ago"},
		{"places-stale", "a database of places was replaced by what cannot be used"},
		{"pool-down", "a pool is down"},
		{"provider-denied", "a DNS provider refuses our credentials"},
		{"provider-drift", "somebody else changed our records at a DNS provider"},
		{"provider-failing", "a DNS provider is not in step"},
		{"provider-held", "names at a DNS provider are left as they are"},
		{"provider-refused", "a push would change more than it may"},
		{"provider-unverified", "a DNS provider does not serve what it took"},
		{"reload-refused", "the configuration that is named is not in force"},
		{"rolled-back", "a known good configuration stands in for the one that is named"},
		{"secondary-behind", "a secondary serves a zone otherwise than we do"},
		{"state-not-saved", "verdicts and overrides cannot be written down"},
		{"state-read-only", "nothing may be written to the state directory"},
		{"tokens-not-read", "the file of tokens cannot be used"},
		{"waits-for-person", "a pool that is up again waits to be let back"},
	}
}

// DrillEnded is the code by which alerts tell of the end of a drill. It is no
// alarm: nothing lasts.
const DrillEnded = "drill-ended"

// alertCodes are the codes that a route of alerts may name.
func alertCodes() []string {
	codes := []string{DrillEnded}
	for _, a := range AlarmCodes() {
		codes = append(codes, a.Code)
	}
	return codes
}
