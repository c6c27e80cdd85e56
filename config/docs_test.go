package config

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The documents' blocks of YAML load. A block that leaves out top-level keys
// that its references need gets them from here, and docs/configuration.md
// says so (docs/steering.md shows its own): monitors web and ping, pools fastly, bunny and origin,
// the zone example.com.
const around = `
monitors:
  - {name: web, https: {host: www.example.com}}
  - {name: ping, icmp: {}}
pools:
  - {name: fastly, cname: www.example.com.global.prod.fastly.net, monitors: [web]}
  - {name: bunny, cname: www-example.b-cdn.net, monitors: [web]}
  - {name: origin, addresses: [192.0.2.10, "2001:db8::10"], monitors: [web]}
zones:
  - {name: example.com, services: [{name: www, pools: [origin]}]}
`

func TestDocumentsLoad(t *testing.T) {
	for _, c := range []struct {
		file    string
		around  string // "": the file's own first block
		atLeast int
	}{
		{"configuration.md", around, 8},
		{"steering.md", "", 10},
	} {
		text, err := os.ReadFile("../docs/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlocks(string(text))
		if c.around == "" {
			c.around = blocks[slices.Min(slices.Collect(maps.Keys(blocks)))]
		}
		for line, block := range blocks {
			if _, err := Parse([]byte(surround(block, c.around)), c.file+":"+strconv.Itoa(line)+"+", Overrides{Hostname: "ns1.example.net"}); err != nil {
				t.Errorf("%s: the block that begins in line %d:\n%s\n%v", c.file, line, block, err)
			}
		}
		if len(blocks) < c.atLeast {
			t.Errorf("%s: only %d blocks", c.file, len(blocks))
		}
	}
}

// surround adds the sections of around that block does not have.
func surround(block, around string) string {
	out := block
	for _, key := range []string{"places:", "monitors:", "pools:", "zones:"} {
		if !strings.HasPrefix(block, key) && !strings.Contains(block, "\n"+key) {
			out += sectionOf(around, key)
		}
	}
	return out
}

// sectionOf returns the lines of the top-level key in text.
func sectionOf(text, key string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, " ") {
			in = strings.HasPrefix(line, key)
		}
		if in {
			b.WriteString(line)
		}
	}
	return b.String()
}

// yamlBlocks returns the blocks of a Markdown text by their first lines.
func yamlBlocks(text string) map[int]string {
	blocks := map[int]string{}
	start := 0
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		switch {
		case start == 0 && line == "```yaml":
			start = i + 2
			b.Reset()
		case start > 0 && line == "```":
			blocks[start] = b.String()
			start = 0
		case start > 0:
			b.WriteString(line + "\n")
		}
	}
	return blocks
}

// TestDocumentNamesLimits: the limits that docs/configuration.md states are
// those of the code.
func TestDocumentNamesLimits(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		what  string
		limit int
	}{
		{"monitors", MaxMonitors}, {"pools", MaxPools}, {"addresses of a pool", MaxAddresses}, {"monitors of a pool", MaxPoolMonitors}, {"zones", MaxZones},
		{"name servers of a zone", MaxNS}, {"services, over all zones", MaxServices}, {"pools of a service", MaxChoices}, {"policies", MaxPolicies}, {"policies inside policies", MaxNesting}, {"pools that those of a policy lead to", MaxNested}, {"places of a map, networks of `places`", MaxPlaces}, {"octets of one value", MaxValue}, {"problems reported", MaxProblems},
	} {
		if want := "| " + row.what + " | " + thousands(row.limit) + " |"; !strings.Contains(string(text), want) {
			t.Errorf("docs/configuration.md does not have the row %q", want)
		}
	}
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
