package self

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// TestJudge changes one thing of a machine that is well at a time. Held are the
// codes that held before.
func TestJudge(t *testing.T) {
	disk := func(free, size uint64) func(*Facts) { return func(f *Facts) { f.Disk = Disk{Size: size, Free: free} } }
	open := func(n, limit uint64) func(*Facts) {
		return func(f *Facts) { f.Descriptors, f.DescriptorLimit = n, limit }
	}
	for _, tt := range []struct {
		about string
		held  string
		edit  func(*Facts)
		want  string // "severity code", separated by commas
	}{
		{"nothing is known", "", func(f *Facts) { *f = Facts{} }, ""},
		{"all is well", "", func(*Facts) {}, ""},
		{"a small disk with room", "", disk(65<<20, 100<<20), ""},
		{"little room", "", disk(63<<20, 100<<20), "warning disk-nearly-full"},
		{"little room, for a while yet", "disk-nearly-full", disk(79<<20, 100<<20), "warning disk-nearly-full"},
		{"clearly better", "disk-nearly-full", disk(81<<20, 100<<20), ""},
		{"little of a large disk", "", disk(900<<20, 20<<30), "warning disk-nearly-full"},
		{"little of a huge disk is much", "", disk(1100<<20, 1<<40), ""},
		{"much of a small one", "", disk(900<<20, 10<<30), ""},
		{"no room", "", disk(3<<20, 100<<20), "critical disk-full"},
		{"no room for a trial, whatever is said to be free", "", func(f *Facts) { f.Trial = Trial{true, "no space left on device"} }, "critical disk-full"},
		{"no more files", "", func(f *Facts) { f.Disk.Files, f.Disk.FreeFiles = 1000, 99 }, "warning disk-nearly-full"},
		{"files are not counted", "", func(f *Facts) { f.Disk.Files, f.Disk.FreeFiles = 0, 0 }, ""},
		{"read-only", "", func(f *Facts) { f.Trial.Why = "read-only file system" }, "critical state-read-only"},
		{"read-only and full", "", func(f *Facts) { f.Trial.Why = "read-only file system"; f.Disk.Free = 0 }, "critical state-read-only"},
		{"slow", "", func(f *Facts) { f.Hangs = 9 * time.Second }, ""},
		{"hangs", "", func(f *Facts) { f.Hangs = 10 * time.Second; f.Disk.Free = 0 }, "warning disk-hangs"},
		{"many open", "", open(79, 100), ""},
		{"nearly all open", "", open(80, 100), "warning descriptors-low"},
		{"fewer again", "descriptors-low", open(65, 100), "warning descriptors-low"},
		{"few enough", "descriptors-low", open(63, 100), ""},
		{"all open", "", open(95, 100), "critical descriptors-low"},
		{"much at once", "", func(f *Facts) { f.Goroutines = 100_000 }, "warning goroutines-many"},
		{"databases", "", func(f *Facts) {
			f.Databases = []Database{{"a", noon.Add(-45 * 24 * time.Hour)}, {"b", noon.Add(-46 * 24 * time.Hour)}}
		}, "warning places-old b"},
		{"others have another time", "", func(f *Facts) { f.Clocks = []Clock{{"one", 2 * time.Minute}, {"two", 121 * time.Second}} }, "warning clock-off"},
		{"nothing keeps the time, and it is right", "", func(f *Facts) { f.Unsynced = true; f.Clocks = []Clock{{"one", 0}, {"two", 0}} }, ""},
		{"leapt", "", func(f *Facts) { f.Leapt, f.LeaptAt = -time.Hour, noon.Add(-14*time.Minute) }, "warning clock-off"},
		{"leapt long ago", "", func(f *Facts) { f.Leapt, f.LeaptAt = -time.Hour, noon.Add(-16*time.Minute) }, ""},
	} {
		f := Facts{At: noon, Dir: "/state", Disk: Disk{100 << 30, 50 << 30, 1000, 900}, Descriptors: 10, DescriptorLimit: 1024, Goroutines: 50,
			Databases: []Database{{"a", noon.Add(-24 * time.Hour)}}}
		tt.edit(&f)
		var got []string
		for _, c := range Judge(f, func(code string) bool { return code == tt.held }) {
			subject := ""
			if c.Code == "places-old" {
				subject = " " + c.Subject
			}
			got = append(got, c.Severity+" "+c.Code+subject)
			if c.What == "" || c.Mend == "" {
				t.Errorf("%s: %+v", tt.about, c)
			}
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: got %q, want %q", tt.about, s, tt.want)
		}
	}
}

// TestOff: what operators say, in seconds that we are ahead of each, and what
// comes of it.
func TestOff(t *testing.T) {
	for _, tt := range []struct{ said, want string }{
		{"", "right"},
		{"a+300", "right"}, // one operator knows nothing
		{"a+300 a+300 a+301", "right"},
		{"a+300 b+304", "+304 by a b"},
		{"a+300 b-300", "right"}, // they do not agree
		{"a+300 b+0", "right"},
		{"a+300 b+0 c+302", "+302 by a c"}, // one edge is wrong
		{"a+300 b+0 c+0 d+301", "right"},   // as many against as for
		{"a+0 b+1 c+300", "right"},
		{"a-90 b-95", "-90 by a b"},
		{"a+59 b+60", "right"}, // below the threshold
		{"a+300 a+0 a+1 b+300 c+2", "right"},
	} {
		var clocks []Clock
		for _, f := range strings.Fields(tt.said) {
			var seconds int
			if _, err := fmt.Sscanf(f[1:], "%d", &seconds); err != nil {
				t.Fatal(err)
			}
			clocks = append(clocks, Clock{f[:1], time.Duration(seconds) * time.Second})
		}
		got := "right"
		if ahead, of, ok := Off(clocks, ClockOff); ok {
			got = fmt.Sprintf("%+d by %s", int(ahead.Seconds()), strings.Join(of, " "))
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.said, got, tt.want)
		}
	}
}

// TestHand: looks at the clock of an edge, as "when/what it shows" in seconds,
// and by how much we are ahead then.
func TestHand(t *testing.T) {
	for _, tt := range []struct{ about, looks, want string }{
		{"one look", "0/0", "no clock"},
		{"two", "0/0 10/10", "no clock"},
		{"three", "0/0 10/10 20/20", "0"},
		{"behind ours", "0/-90 10/-80 21/-70", "91"},
		{"too fast to tell", "0/0 1/1 2/2 3/3", "no clock"},
		{"a copy that is kept", "0/-90 10/-90 20/-90 30/-90", "no clock"},
		{"a copy that was renewed in between", "0/0 10/0 20/20 30/20", "no clock"},
		{"a copy renewed as often as we look", "0/-9 10/1 20/11", "9"},
		{"it was set right", "0/-90 10/-80 20/20 30/30 40/40", "0"},
		{"forgotten", "0/-90 10/-80 20/-70 1000", "no clock"},
	} {
		var h Hand
		now := noon
		for _, f := range strings.Fields(tt.looks) {
			var seen, shown int
			n, _ := fmt.Sscanf(f, "%d/%d", &seen, &shown)
			now = noon.Add(time.Duration(seen) * time.Second)
			if n == 2 {
				h = h.Next(noon.Add(time.Duration(shown)*time.Second), now)
			}
		}
		got := "no clock"
		if ahead, ok := h.Ahead(now); ok {
			got = fmt.Sprint(ahead.Seconds())
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.about, got, tt.want)
		}
	}
}
