package resolver

import (
	"bufio"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/shunt-dns/shunt/internal/dnstest"
)

var update = flag.Bool("update", false, "write the replies of testdata/packets.txt anew; read the difference before committing it")

// TestPackets asks every question of testdata/packets.txt and compares the
// replies. The file says how it is read.
func TestPackets(t *testing.T) {
	const path = "testdata/packets.txt"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, w := workerForTest(t, settingsForTest())
	var now strings.Builder
	asked := 0
	want := []string(nil)
	question := ""
	check := func() {
		if question == "" {
			return
		}
		asked++
		got := ask(t, w, question)
		for _, line := range strings.Split(got, "\n") {
			now.WriteString("\t" + line + "\n")
		}
		if was := strings.Join(want, "\n"); got != was && !*update {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", question, got, was)
		}
		question, want = "", nil
	}
	for sc := bufio.NewScanner(strings.NewReader(string(text))); sc.Scan(); {
		line := sc.Text()
		if strings.HasPrefix(line, "\t") {
			want = append(want, line[1:])
			continue
		}
		check()
		now.WriteString(line + "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			question = line
		}
	}
	check()
	if asked < 80 {
		t.Errorf("only %d questions were asked", asked)
	}
	if *update {
		if err := os.WriteFile(path, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// ask asks one question of the file, over UDP unless it begins with tcp.
func ask(t testing.TB, w *Worker, question string) string {
	t.Helper()
	tr := UDP
	if line, ok := strings.CutPrefix(question, "tcp "); ok {
		question, tr = line, TCP
	}
	query := dnstest.Ask(t, question)
	reply := w.Answer(make([]byte, 0, maxTCP), query, client, moment, tr)
	return dnstest.Text(reply)
}

// questionsOf returns the questions of testdata/packets.txt.
func questionsOf(t testing.TB) (questions []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/packets.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '\t' && line[0] != '#' {
			questions = append(questions, line)
		}
	}
	return questions
}
