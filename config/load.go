package config

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads the file path and what it refers to by itself: the cookie
// secret, the maps of policies, the networks of places, ECHConfigLists. Zone
// files must be there; they are read by package zone.
//
// The error is [Problems] when the text is at fault, with every problem there
// is; otherwise it wraps the error of the read. A file larger than [MaxFile]
// is refused before it is read.
func Load(path string, o Overrides) (*Config, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the configuration: %w", err)
	}
	from := path // as the operator named it, for errors
	if other := o.stand(full); other != full {
		from = other
	}
	text, err := readLimited(from)
	if err != nil {
		return nil, err
	}
	r, cfg, err := parse(text, path, o)
	if err != nil {
		return nil, err
	}
	r.secret(&cfg.DNS)
	r.keySecrets(cfg.Keys)
	r.providerSecrets(cfg.Providers)
	r.traceHeaders(&cfg.Traces)
	r.alertSecrets(cfg.Alerts)
	r.zoneFiles(cfg)
	r.tapFolders()
	r.placeNetworks(&cfg.Places)
	r.echFiles(cfg)
	r.readMaps()
	return r.done(cfg)
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > MaxFile {
		return nil, Problems{tooLarge(path)}
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1)) // it may grow, or be no regular file
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > MaxFile {
		return nil, Problems{tooLarge(path)}
	}
	return text, nil
}

func tooLarge(path string) Problem {
	return Problem{File: path, What: "the file is larger than 16 MiB", Mend: "split what it serves over several nodes, or move static names to zone files"}
}

// secret reads the 16 octets that key the cookies: as they are, or as 32
// hexadecimal digits.
func (r *reader) secret(d *DNS) {
	if d.SecretFile == "" {
		return
	}
	p, s := r.one("dns.cookie_secret_file", d.SecretFile)
	mend := "write 16 random octets to it, or 32 hexadecimal digits: openssl rand -hex 16"
	f, err := os.Open(d.SecretFile)
	if err != nil {
		r.problem(p, s, err.Error(), mend)
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		r.problem(p, s, err.Error(), mend)
		return
	}
	if len(text) == 16 {
		d.Secret = text
		return
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 16 {
		r.problem(p, s, d.SecretFile+" holds no secret", mend)
		return
	}
	d.Secret = secret
}

// zoneFiles reports the zone files that are not there, at the lines that name
// them. Whatever else may be wrong with one, who reads it says.
func (r *reader) zoneFiles(cfg *Config) {
	for i := range min(len(cfg.Zones), len(r.files)) {
		file := cfg.Zones[i].File
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			r.problem(top("zones").item(i).sub("file"), r.files[i], "there is no file "+file, "a relative path starts at the folder of the configuration")
		}
	}
}

// Parse turns text, the content of the file path, into a Config. It opens no
// file: relative paths are only joined to the folder of path. The error is
// [Problems], every one of them in file order, those of the environment and
// of flags first.
func Parse(text []byte, path string, o Overrides) (*Config, error) {
	r, cfg, err := parse(text, path, o)
	if err != nil {
		return nil, err
	}
	return r.done(cfg)
}

// done returns cfg when nothing is wrong with it.
func (r *reader) done(cfg *Config) (*Config, error) {
	if ps := r.sorted(); len(ps) > 0 {
		return nil, ps
	}
	return cfg, nil
}

func parse(text []byte, path string, o Overrides) (*reader, *Config, error) {
	if len(text) > MaxFile {
		return nil, nil, Problems{tooLarge(path)}
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("find the folder of the configuration: %w", err)
	}
	r, cfg, err := read(text, path, filepath.Dir(full), o)
	if err != nil {
		return nil, nil, err
	}
	cfg.Path = full
	return r, cfg, nil
}

// read reads text the quick way, and the slow way when lines turn out to have
// been lifted from where no services are.
//
//	every run used   small enough   problems   result
//	yes              any            any        as read
//	no               yes            any        the slow way's
//	no               no             some       as read
//	no               no             none       too many values
func read(text []byte, path, dir string, o Overrides) (*reader, *Config, error) {
	r, cfg := newReader(path), &Config{}
	rest, runs := lift(text)
	r.runs = runs
	if err := r.parse(cfg, rest, o, dir); err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(runs, func(u *run) bool { return !u.used }) {
		return r, cfg, nil
	}
	if len(r.problems) == 0 || separators(text) <= maxSlow {
		r, cfg = newReader(path), &Config{}
		return r, cfg, r.parse(cfg, text, o, dir)
	}
	return r, cfg, nil
}

func (r *reader) parse(cfg *Config, text []byte, o Overrides, dir string) error {
	if n := separators(text); n > maxSlow {
		r.problem(path{index: -1}, scalar{}, fmt.Sprintf("the file has %d values or more, services of a line each not counted", n),
			fmt.Sprintf("at most %d are allowed; write each service in a line, as - {name: www, pools: [POOL]}", maxSlow))
		return nil
	}
	doc, err := parseYAML(text)
	if err != nil {
		r.syntax(err, text)
		return nil
	}
	file, lists := r.sections(doc)
	raw, err := r.settings(file, o)
	if err != nil {
		return err
	}
	r.typed(cfg, &raw, o, dir)
	var monitors, pools map[string]place
	cfg.Monitors, monitors = r.monitors(lists.Monitors, dir)
	cfg.Pools, pools = r.pools(lists.Pools, monitors, dir)
	r.choose = r.policies(cfg, lists.Policies, pools, dir)
	cfg.Safety.Rules = r.safetyRules(pools)
	r.zones(cfg, lists.Zones, r.choose, dir)
	r.circular(cfg, lists.Pools)
	cfg.Feeds = r.feeds(lists.Feeds, pools)
	cfg.Drills = r.drills(lists.Drills, pools, cfg.Zones)
	cfg.Providers = r.providers(lists.Providers, cfg.Zones, o, dir)
	cfg.Taps = r.taps(lists.Taps, dir)
	cfg.Alerts = r.alerts(lists.Alerts, o.Env, dir)
	var keys map[string]place
	cfg.Keys, keys = r.keys(lists.Keys, dir)
	cfg.Secondaries = r.secondaries(cfg, lists.Secondaries, keys)
	if len(cfg.Zones) == 0 && len(r.problems) == 0 { // said alone: any other problem may be why there is none
		r.problem(top("zones"), scalar{}, "there is no zone to serve", "write zones: [{name: example.com, file: example.com.zone}]")
	}
	if r.visits > maxVisits {
		r.problem(path{index: -1}, scalar{}, fmt.Sprintf("with aliases followed there are more than %d values", maxVisits), "use fewer aliases")
	}
	return nil
}

// separators counts what parts one YAML value from the next, which bounds the
// memory that the parser will take.
func separators(text []byte) int {
	n := 0
	for i, c := range text {
		switch c {
		case ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(text) || bytes.IndexByte([]byte(" \t\r\n,[]{}"), text[i+1]) >= 0 ||
				c == ':' && i > 0 && (text[i-1] == '"' || text[i-1] == '\'') {
				n++
			}
		}
	}
	return n
}

// sections parts the file into its single keys, for viper, and its lists.
func (r *reader) sections(doc *yaml.Node) (map[string]any, rawLists) {
	file, lists := map[string]any{}, rawLists{}
	if doc == nil {
		return file, lists
	}
	singles, long := reflect.TypeFor[rawSettings](), reflect.ValueOf(&lists).Elem()
	names := append(slices.Clone(r.shape(singles).names), r.shape(long.Type()).names...)
	root := path{index: -1}
	if doc = follow(doc); doc.Kind != yaml.MappingNode {
		r.problem(root, at(lineOf(doc)), "the file must be a mapping, not "+kindOf(doc), known(names))
		return file, lists
	}
	r.entries(root, doc, names, func(i int, n *yaml.Node) {
		if single := singles.NumField(); i >= single {
			r.fill(top(names[i]), n, long.Field(i-single))
		} else if v := r.tree(top(names[i]), n, singles.Field(i).Type); v != nil {
			file[names[i]] = v
		}
	})
	return file, lists
}

// sorted returns the problems in file order.
func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, r.order)
	if r.more > 0 {
		r.problems = append(r.problems, Problem{File: r.file, What: fmt.Sprintf("%d further problems are not shown", r.more), Mend: "mend those above first"})
	}
	return r.problems
}

// IsProblems reports whether err says what is wrong with a configuration,
// rather than that it could not be read, and returns the problems.
func IsProblems(err error) (Problems, bool) {
	var ps Problems
	ok := errors.As(err, &ps)
	return ps, ok
}
