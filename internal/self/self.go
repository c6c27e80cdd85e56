// Package self judges how a node itself is, apart from what it steers: the disk
// under its state, its clock, its databases, what the system lets it have. Its
// values are [Facts] and the [Condition]s that Judge makes of them.
//
// It looks at nothing: package node gathers the facts. What could not be found
// out is judged as well.
package self

import (
	"fmt"
	"time"
)

// The thresholds. docs/operations.md has them too.
const (
	FullBelow   = 4 << 20  // octets free: the state directory counts as full
	NearlyBelow = 64 << 20 // octets free: little is left
	NearlyShare = 0.05     // of a disk: little is left, where that is
	NearlyMost  = 1 << 30  // less than this, too
	FewFiles    = 100      // inodes free: little is left
	HangsAfter  = 10 * time.Second

	DescriptorsWarn = 0.80 // of the limit in use
	DescriptorsFull = 0.95
	GoroutinesMany  = 100_000

	PlacesOld = 45 * 24 * time.Hour // of databases, which are made weekly or monthly

	ClockOff  = time.Minute      // by which a clock is wrong
	Agree     = 10 * time.Second // that clocks of others may differ by, and still agree
	Leap      = 10 * time.Second // from which on a clock was set, and did not drift
	LeapLasts = 15 * time.Minute // how long that is told
	stays     = 1.25             // a condition that holds ends only beyond its threshold times this
)

// Facts are what is known of a node at one moment. The zero value of a field
// says that it is not known, and nothing is wrong with it.
type Facts struct {
	At  time.Time
	Dir string // the state directory

	Disk  Disk
	Trial Trial
	Hangs time.Duration // how long the disk has not answered the look under way

	Descriptors, DescriptorLimit uint64 // files and connections that are open, and may be
	Goroutines                   int

	Databases []Database

	Clocks   []Clock // of others
	Unsynced bool    // the kernel says that nothing keeps its clock right
	Leapt    time.Duration
	LeaptAt  time.Time // when the wall clock last went Leapt further than time did
}

// A Disk is a file system.
type Disk struct {
	Size, Free       uint64 // octets; Free is what we may use
	Files, FreeFiles uint64 // inodes; 0, 0 where it does not count them
}

// A Trial says how an attempt to write went.
type Trial struct {
	Full bool   // there was no room
	Why  string // it failed; "" where it went well
}

// A Database is one of places.
type Database struct {
	Path  string
	Built time.Time
}

// A Condition is what a person should know. It is controller.Condition, which
// this package need not know.
type Condition struct{ Code, Severity, Subject, What, Mend string }

// Judge returns the conditions that f shows. Held reports whether a code held
// before: then it ends only when things are clearly better, so that what lies
// at a threshold does not come and go.
//
//	code              critical                                 warning
//	disk-full         no room for a trial; under 4 MiB free
//	disk-nearly-full                                           under 64 MiB; under 5 % and 1 GiB; under 100 inodes
//	state-read-only   a trial fails for another reason
//	disk-hangs                                                 a look takes 10 s
//	descriptors-low   95 % of the limit are in use             80 %
//	goroutines-many                                            100,000
//	places-old                                                 a database made 45 days ago
//	clock-off                                                  see Off; for 15 min, leapt by 10 s
func Judge(f Facts, held func(code string) bool) []Condition {
	j := judge{Facts: f, held: held}
	j.disk()
	j.limits()
	for _, d := range f.Databases {
		if age := f.At.Sub(d.Built); age > PlacesOld {
			j.raise("places-old", "warning", d.Path, fmt.Sprintf("%s was made %d days ago: networks have moved since, and their clients are taken for being elsewhere", d.Path, int(age.Hours()/24)),
				"fetch a new one, and put it in its place by renaming; it is taken within ten seconds")
		}
	}
	j.clock()
	return j.out
}

type judge struct {
	Facts
	held func(code string) bool
	out  []Condition
}

func (j *judge) raise(code, severity, subject, what, mend string) {
	j.out = append(j.out, Condition{code, severity, subject, what, mend})
}

// lax returns by what the threshold of code is stretched.
func (j *judge) lax(code string) float64 {
	if j.held(code) {
		return stays
	}
	return 1
}

// disk judges the disk under the state directory. Of what follows from each
// other the worst alone is told.
func (j *judge) disk() {
	const serves = "serving and steering go on without it"
	d, free, files := j.Disk, float64(j.Disk.Free), float64(j.Disk.FreeFiles)
	nearly := j.lax("disk-nearly-full")
	switch {
	case j.Hangs >= HangsAfter:
		j.raise("disk-hangs", "warning", j.Dir, fmt.Sprintf("the disk under %s has not answered for %v; %s", j.Dir, j.Hangs.Round(time.Second), serves), "look at the disk, or at the network to it: dmesg")
	case j.Trial.Why != "" && !j.Trial.Full:
		j.raise("state-read-only", "critical", j.Dir, fmt.Sprintf("nothing can be written to %s: %s; %s", j.Dir, j.Trial.Why, serves), "look at mount options and owner; what waits is written as soon as that works")
	case j.Trial.Full:
		j.raise("disk-full", "critical", j.Dir, fmt.Sprintf("there is no room under %s: %s; %s", j.Dir, j.Trial.Why, serves), "make room; what waits is written as soon as there is some")
	case d.Size > 0 && free < FullBelow*j.lax("disk-full"):
		j.raise("disk-full", "critical", j.Dir, fmt.Sprintf("%s are free under %s; %s", octets(d.Free), j.Dir, serves), "make room")
	case d.Size > 0 && (free < NearlyBelow*nearly || free < NearlyMost*nearly && free < NearlyShare*nearly*float64(d.Size)):
		j.raise("disk-nearly-full", "warning", j.Dir, fmt.Sprintf("%s of %s are free under %s", octets(d.Free), octets(d.Size), j.Dir), "make room, before the state cannot be saved")
	case d.Files > 0 && files < FewFiles*nearly:
		j.raise("disk-nearly-full", "warning", j.Dir, fmt.Sprintf("the file system under %s has room for %d more files", j.Dir, d.FreeFiles), "remove files, before the state cannot be saved")
	}
}

// limits judges what the system lets the process have.
func (j *judge) limits() {
	if limit := float64(j.DescriptorLimit); limit > 0 {
		used := float64(j.Descriptors) / limit
		severity := ""
		switch lax := j.lax("descriptors-low"); {
		case used >= DescriptorsFull:
			severity = "critical"
		case used >= DescriptorsWarn/lax:
			severity = "warning"
		}
		if severity != "" {
			j.raise("descriptors-low", severity, "", fmt.Sprintf("%d of %d files and connections that the process may have are open", j.Descriptors, j.DescriptorLimit),
				"raise LimitNOFILE of the service; look who holds connections open: ss -tnp")
		}
	}
	if float64(j.Goroutines) >= GoroutinesMany/j.lax("goroutines-many") {
		j.raise("goroutines-many", "warning", "", fmt.Sprintf("the process does %d things at once", j.Goroutines), "restart it when that is convenient, and report it with the trace that SIGQUIT leaves")
	}
}

// octets writes n for people.
func octets(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
