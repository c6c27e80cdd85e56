//go:build peers

package peers

import (
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// A drillReport is what the tests look at in shunt drill report --json.
type drillReport struct {
	Plan         struct{ ID, Practice, Author string }
	Outcome, Why string
	First        *int `json:"first_steered_seconds"`
	Came         []struct {
		Pool  string
		After float64 `json:"after_percent"`
		Rate  float64 `json:"after_per_second"`
	}
	Forecast struct {
		Pools []struct {
			Pool  string
			After float64 `json:"after_percent"`
		}
	}
	Series struct {
		Every   int `json:"every_seconds"`
		At      []int
		Pools   []string
		Answers [][]uint64
	}
	Tail struct {
		LastGiven *int `json:"last_given_seconds"`
	}
}

func (n *node) drillReport(args ...string) (r drillReport) {
	n.t.Helper()
	if err := json.Unmarshal([]byte(n.run(append([]string{"drill", "report", "--json"}, args...)...)), &r); err != nil {
		n.t.Fatal(err)
	}
	return r
}

// traffic sends www questions with dnsperf, so many a second, and returns how
// many were answered once its time is over.
func traffic(t *testing.T, n *node, perSecond, seconds int) (answered func() int) {
	t.Helper()
	host, port := n.addr.Addr().String(), strconv.Itoa(int(n.addr.Port()))
	data := write(t, filepath.Join(n.dir, "queries.txt"), "www.example.test A\n")
	cmd := exec.Command("dnsperf", "-s", host, "-p", port, "-d", data, "-Q", strconv.Itoa(perSecond), "-l", strconv.Itoa(seconds), "-t", "1", "-c", "2")
	type said struct {
		text []byte
		err  error
	}
	done := make(chan said, 1)
	go func() {
		text, err := cmd.CombinedOutput()
		done <- said{text, err}
	}()
	return func() int {
		t.Helper()
		s := <-done
		m := regexp.MustCompile(`Queries completed: +([0-9]+)`).FindSubmatch(s.text)
		if s.err != nil || m == nil {
			t.Fatalf("dnsperf: %v\n%s", s.err, s.text)
		}
		got, _ := strconv.Atoi(string(m[1]))
		return got
	}
}

// TestDrillUnderTraffic takes alpha away while dnsperf asks: the report counts
// the answers that were given, as many as dnsperf had, and says so.
func TestDrillUnderTraffic(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	n := serve(t, s.dir)
	const perSecond, seconds = 1000, 12
	answered := traffic(t, n, perSecond, seconds)
	time.Sleep(3 * time.Second) // a forecast from what is measured
	n.run("drill", "start", "alpha", "--for", "4s", "--reason", "under traffic")
	n.until("the drill is over", func() bool { return n.drillReport().Outcome == "succeeded" })
	got := answered()
	if got < perSecond*seconds/2 {
		t.Fatalf("dnsperf had %d answers of %d", got, perSecond*seconds)
	}
	r := n.drillReport()
	if r.First == nil || *r.First > 1 || r.Tail.LastGiven != nil && *r.Tail.LastGiven > 1 {
		t.Errorf("first steered after %v s, alpha's last answer after %v s: want within a second", deref(r.First), deref(r.Tail.LastGiven))
	}
	for _, p := range r.Came {
		want := map[string]float64{"alpha": 0, "beta": 100}[p.Pool]
		if math.Abs(p.After-want) > 0.01 {
			t.Errorf("%s gave %.2f%% of the answers, want %.0f%%", p.Pool, p.After, want)
		}
	}
	var during uint64
	for i := range r.Series.Pools {
		for j, at := range r.Series.At {
			if at >= 1 && at <= 4 {
				during += r.Series.Answers[i][j]
			}
		}
	}
	rate := float64(got) / seconds
	if f := float64(during) / (4 * rate); f < 0.6 || f > 1.4 {
		t.Errorf("the report has %d answers within 4 s, dnsperf had %.0f a second", during, rate)
	}
	t.Logf("dnsperf: %d answers; the report: %d during 4 s, first steered within %d s", got, during, *r.First)
}

func deref(i *int) string {
	if i == nil {
		return "no"
	}
	return strconv.Itoa(*i)
}

// TestDrillSurvivesKills kills the node again and again in the middle of a
// drill, under traffic: each time it goes on, and it ends in its time.
func TestDrillSurvivesKills(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	n := serve(t, s.dir)
	n.run("drill", "start", "alpha", "--for", "10s", "--reason", "kills")
	ends := time.Now().Add(10 * time.Second)
	for range 3 {
		answered := traffic(t, n, 500, 1)
		time.Sleep(500 * time.Millisecond)
		n.kill()
		n = serve(t, s.dir)
		if time.Until(ends) > time.Second {
			n.must(t, "the drill goes on after a kill", www, betaAddr.String())
		}
		answered()
	}
	n.until("the drill ends", func() bool { return n.is(www, alphaAddr.String()) })
	if late := time.Since(ends); late > 3*time.Second || late < -time.Second {
		t.Errorf("it ended %v after its time", late)
	}
	n.until("its report says so", func() bool { return n.drillReport().Outcome != "running" })
	if r := n.drillReport(); r.Outcome != "succeeded" {
		t.Errorf("%s (%s)", r.Outcome, r.Why)
	}
}

// TestPracticeRun has the node drill by itself, as its schedule says: at the
// next full minute.
func TestPracticeRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	s.config("", `drills:
  - {name: minutely, pools: [alpha], for: 3s, schedule: "* * * * *", reason: practice makes perfect}`)
	n := serve(t, s.dir)
	n.must(t, "before its time", www, alphaAddr.String())
	due := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))
	time.Sleep(due)
	n.until("the run begins", func() bool { return n.is(www, betaAddr.String()) })
	n.until("and ends", func() bool { return n.is(www, alphaAddr.String()) })
	n.until("its report says so", func() bool { return n.drillReport().Outcome == "succeeded" })
	if r := n.drillReport(); r.Plan.Practice != "minutely" || r.Plan.Author != "schedule" {
		t.Errorf("the report is of %+v", r.Plan)
	}
}
