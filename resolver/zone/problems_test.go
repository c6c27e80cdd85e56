package zone

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/shunt-dns/shunt/config"
)

// TestProblems compiles what must be refused. Each file in testdata/problems
// holds main.zone for the origin example.test, files it includes, perhaps
// services (as in testdata/answers), and the problems.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			arch, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			z := config.Zone{Name: "example.test.", File: "/zones/main.zone", Max: 20}
			files, want, at := fstest.MapFS{}, "", -1
			for i, f := range arch.Files {
				switch f.Name {
				case "problems":
					want, at = string(f.Data), i
				case "services":
					z.Services = servicesOf(t, string(f.Data), map[string][]Variant{})
				default:
					files[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			zone, ps := Parse(z, "ns.test.", files)
			got := ""
			if len(ps) > 0 {
				got = ps.Error() + "\n"
			}
			if (zone == nil) != (len(ps) > 0) {
				t.Error("neither a zone nor a problem, or both")
			}
			if *update {
				arch.Files[at].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(arch), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A huge is a file that says that it has two GiB.
type huge struct{ fs.FS }

func (h huge) Open(name string) (fs.File, error) {
	f, err := h.FS.Open(name)
	return hugeFile{f}, err
}

type hugeFile struct{ fs.File }

func (f hugeFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return hugeInfo{info}, err
}

type hugeInfo struct{ fs.FileInfo }

func (hugeInfo) Size() int64 { return 2 << 30 }

// TestOversizeRefused: invariant 10 of incidents, config limits degrade and
// never crash.
func TestOversizeRefused(t *testing.T) {
	files := fstest.MapFS{"main.zone": {Data: []byte("@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\n")}}
	z := config.Zone{Name: "example.test.", File: "/zones/main.zone"}
	if _, ps := Parse(z, "", files); len(ps) > 0 {
		t.Fatal(ps)
	}
	_, ps := Parse(z, "", huge{files})
	if len(ps) != 1 || !strings.Contains(ps[0].What, "too large") {
		t.Errorf("a file of 2 GiB: %v", ps)
	}
	z.Max = 1
	if _, ps = Parse(z, "", files); len(ps) != 1 || ps[0].Line != 2 || !strings.Contains(ps[0].What, "more than 1 records") {
		t.Errorf("more records than allowed: %v", ps)
	}
}

// TestIncludeStaysInside: no $INCLUDE leaves the zone's folder, not through a
// symbolic link either.
func TestIncludeStaysInside(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "zones")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "secret"), "key 60 TXT secret\n")
	write(filepath.Join(inside, "sub", "ok"), "in 60 TXT inside\n")
	if err := os.Symlink("../secret", filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	head := "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\n"
	for _, c := range []struct {
		include string
		refused bool
	}{
		{"sub/ok", false},
		{"./sub/../sub/ok", false},
		{filepath.Join(inside, "sub/ok"), false},
		{"../secret", true},
		{filepath.Join(dir, "secret"), true},
		{"link", true},
		{"sub", true},
		{"none", true},
	} {
		write(filepath.Join(inside, "main.zone"), head+"$INCLUDE "+c.include+"\n")
		root, err := os.OpenRoot(inside)
		if err != nil {
			t.Fatal(err)
		}
		z, ps := Parse(config.Zone{Name: "example.test.", File: filepath.Join(inside, "main.zone")}, "", root.FS())
		root.Close()
		if refused := len(ps) > 0; refused != c.refused {
			t.Errorf("$INCLUDE %s: %v", c.include, ps)
		}
		if len(ps) > 0 && (ps[0].Line != 3 || strings.Contains(ps[0].What, "secret\" ")) {
			t.Errorf("$INCLUDE %s: %v", c.include, ps)
		}
		if z != nil && z.Records() != 3 {
			t.Errorf("$INCLUDE %s: %d records", c.include, z.Records())
		}
	}
}

// TestLineEnds: a file of another system, with a return before each line end.
func TestLineEnds(t *testing.T) {
	text := "$TTL 60\n@ SOA ns hm (\n 1 2\n 3 4 5 )\n@ NS ns ; c\nns A ( ; c\n192.0.2.1\n)\nt TXT \"a\" ; c\n $ORIGIN x\n"
	text = strings.ReplaceAll(strings.Replace(text, " $O", "$O", 1), "\n", "\r\n")
	z := parse(t, "example.test.", text)
	if got := answer(t, NewSet([]*Zone{z}).Snapshot(1, nil, nil), []string{"ns.example.test.", "A"}); !strings.Contains(got, "A 192.0.2.1") || z.Records() != 4 {
		t.Errorf("%d records, %s", z.Records(), got)
	}
}

// TestWithoutFile: SOA and NS are made, from the zone's servers or the node.
func TestWithoutFile(t *testing.T) {
	for _, c := range []struct {
		name, node string
		ns         []string
		asks, want string
	}{
		{"example.test", "ns1.host.test", nil, "example.test. NS", "NOERROR aa\nan example.test. 86400 IN NS ns1.host.test.\n"},
		{"example.test.", "node", []string{"a.test.", "b.test."}, "example.test. SOA",
			"NOERROR aa\nan example.test. 3600 IN SOA a.test. hostmaster.example.test. 1 3600 600 1209600 60\n"},
		{".", "node", nil, "x. A", "NXDOMAIN aa\nns . 60 IN SOA node. hostmaster. 1 3600 600 1209600 60\n"},
	} {
		z, ps := Parse(config.Zone{Name: c.name, NS: c.ns}, c.node, nil)
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		if got := answer(t, NewSet([]*Zone{z}).Snapshot(1, nil, nil), strings.Fields(c.asks)); got != c.want {
			t.Errorf("%s: got %s want %s", c.asks, got, c.want)
		}
	}
	if _, ps := Parse(config.Zone{Name: "x."}, "a..b", nil); len(ps) == 0 {
		t.Error("a node name that is none makes a zone")
	}
}
