package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Overrides are what outranks single keys of the file: the environment, and
// above it the flags. The package never looks at either by itself.
type Overrides struct {
	Env      []string  // as os.Environ() gives it; only SHUNT_* count
	Flags    []Setting // those that were given
	Hostname string    // of the machine: the default of node.name. "" makes it localhost
	Modules  []string  // for DNS providers that the build has beside those of ProviderKinds; nil: not known

	Instead map[string]string // files to read in place of others, by the absolute, clean path of those; Config.Path stays as it is
}

// stand returns the file to read for path, which is absolute.
func (o Overrides) stand(path string) string {
	if other, ok := o.Instead[filepath.Clean(path)]; ok {
		return other
	}
	return path
}

// A Setting is one key given outside the file.
type Setting struct {
	Key   string // dotted path of a single key, as node.log.level
	Value string // items of a list are separated by commas
	From  string // what to call it in a problem, as --log-level
}

// A single is one of the keys that environment and flags can override, with
// the default that config/reference.yaml shows.
type single struct {
	key  string
	def  any // string, []string, or nil where the default is worked out
	list bool
}

// DefaultControl is the default of listen.control: where the command line
// looks for a running node when no configuration says otherwise.
const DefaultControl = "/run/shunt/shunt.sock"

// singles are all such keys, in the order of the reference.
func singles() []single {
	return []single{
		{key: "node.name"},
		{key: "node.state_dir", def: "/var/lib/shunt"},
		{key: "node.user", def: ""},
		{key: "node.log.format", def: "text"},
		{key: "node.log.level", def: "info"},
		{key: "listen.dns", def: []string{"0.0.0.0:53", "[::]:53"}, list: true},
		{key: "listen.dot", def: []string{}, list: true},
		{key: "listen.doh", def: []string{}, list: true},
		{key: "listen.doh_path", def: "/dns-query"},
		{key: "listen.tls.certificate", def: ""},
		{key: "listen.tls.key", def: ""},
		{key: "listen.control", def: DefaultControl},
		{key: "listen.web", def: []string{}, list: true},
		{key: "listen.tokens", def: ""},
		{key: "dns.nsid"},
		{key: "dns.udp_size", def: "1232"},
		{key: "dns.cookies", def: "true"},
		{key: "dns.cookie_secret_file", def: ""},
		{key: "dns.tcp.connections", def: "1000"},
		{key: "dns.tcp.per_client", def: "50"},
		{key: "dns.tcp.idle", def: "10s"},
		{key: "dns.tcp.queries", def: "0"},
		{key: "dns.tcp.message_size", def: "4096"},
		{key: "dns.rate_limit.responses", def: "200"},
		{key: "dns.rate_limit.slip", def: "2"},
		{key: "dns.rate_limit.ipv4_prefix", def: "24"},
		{key: "dns.rate_limit.ipv6_prefix", def: "56"},
		{key: "dns.rate_limit.exempt", def: []string{"127.0.0.0/8", "::1/128"}, list: true},
		{key: "resolvers", def: []string{"9.9.9.9:53", "1.1.1.1:53", "8.8.8.8:53"}, list: true},
		{key: "vantage.controls", def: []string{}, list: true},
		{key: "safety.at_least", def: "1"},
		{key: "safety.max_remove", def: "25%"},
		{key: "places.databases", def: []string{}, list: true},
		{key: "places.networks", def: ""},
		{key: "transfer.serial", def: "unixtime"},
		{key: "transfer.content", def: "one"},
		{key: "transfer.allow", def: []string{}, list: true},
		{key: "transfer.catalog", def: ""},
		{key: "transfer.behind", def: "1m"},
		{key: "transfer.journal", def: "100"},
		{key: "traces.endpoint", def: ""},
		{key: "traces.sample", def: "1%"},
		{key: "traces.headers_file", def: ""},
	}
}

// delimiter parts the keys inside viper: no key contains it, so no name is
// ever cut at its dots.
const delimiter = "\x00"

func viperKey(key string) string { return strings.ReplaceAll(key, ".", delimiter) }

// settings lays flags over environment over file over defaults.
func (r *reader) settings(file map[string]any, o Overrides) (rawSettings, error) {
	r.stand = o.stand
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	for _, s := range singles() {
		if s.def != nil {
			v.SetDefault(viperKey(s.key), s.def)
		}
	}
	if err := v.MergeConfigMap(file); err != nil {
		return rawSettings{}, fmt.Errorf("lay the file over the defaults: %w", err)
	}
	for _, s := range r.environment(o.Env) {
		r.override(v, s)
	}
	for _, s := range o.Flags {
		r.override(v, s)
	}
	var raw rawSettings
	exact := func(d *mapstructure.DecoderConfig) {
		d.TagName, d.ErrorUnused, d.WeaklyTypedInput, d.DecodeHook = "key", true, false, nil
	}
	if err := v.Unmarshal(&raw, exact); err != nil {
		return rawSettings{}, fmt.Errorf("read the settings: %w", err)
	}
	return raw, nil
}

func (r *reader) override(v *viper.Viper, s Setting) {
	all := singles()
	i := slices.IndexFunc(all, func(k single) bool { return k.key == s.Key })
	if i < 0 {
		r.problem(top(s.Key), scalar{from: source(s.From)}, "there is no such single key", "")
		return
	}
	r.over[s.Key] = source(s.From)
	if !all[i].list {
		v.Set(viperKey(s.Key), s.Value)
		return
	}
	items := []string{}
	for it := range strings.SplitSeq(s.Value, ",") {
		if it = strings.TrimSpace(it); it != "" {
			items = append(items, it)
		}
	}
	v.Set(viperKey(s.Key), items)
}

// environment picks the settings out of an environment.
func (r *reader) environment(env []string) []Setting {
	var out []Setting
	known := map[string]string{}
	var names []string
	for _, s := range singles() {
		n := envName(s.key)
		known[n] = s.key
		names = append(names, n)
	}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "SHUNT_") || name == "SHUNT_CONFIG" {
			continue
		}
		if key, ok := known[name]; ok {
			out = append(out, Setting{Key: key, Value: value, From: name})
			continue
		}
		r.unknownEnv(name, names)
	}
	return out
}

// envName returns the variable that overrides key: node.log.level is
// SHUNT_NODE_LOG_LEVEL.
func envName(key string) string {
	return "SHUNT_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// unknownEnv reports a variable that looks like one of ours. Others that
// begin with SHUNT_ are left alone: Kubernetes sets SHUNT_SERVICE_HOST and
// SHUNT_PORT_53_UDP by itself beside a service that is called shunt.
func (r *reader) unknownEnv(name string, names []string) {
	if ofKubernetes(name) {
		return
	}
	near, ours := nearest(name, names), false
	for _, section := range []string{"NODE_", "LISTEN_", "DNS_", "RESOLVERS", "VANTAGE_", "SAFETY_", "PLACES_", "TRANSFER_", "TRACES_"} {
		ours = ours || strings.HasPrefix(name, "SHUNT_"+section)
	}
	if !ours && near == "" {
		return
	}
	mend := "unset it"
	if near != "" {
		mend = "did you mean " + near + "?"
	}
	r.problem(path{index: -1}, scalar{from: source(name)}, "no key is overridden by this variable", mend)
}

// tree reads the single keys below n as text, for viper, and remembers where
// each stands.
func (r *reader) tree(p path, n *yaml.Node, t reflect.Type) any {
	n = follow(n)
	switch t.Kind() {
	case reflect.Struct:
		s := r.shape(t)
		out := map[string]any{}
		if n.Kind == yaml.ScalarNode && n.Tag == "!!null" { // a section with every key commented out
			return out
		}
		if n.Kind != yaml.MappingNode {
			r.problem(p, at(lineOf(n)), "this must be a mapping, not "+kindOf(n), "write key: value pairs; "+known(s.names))
			return out
		}
		r.entries(p, n, s.names, func(i int, n *yaml.Node) {
			if v := r.tree(child(p, s.names[i]), n, t.Field(s.field[i]).Type); v != nil {
				out[s.names[i]] = v
			}
		})
		return out
	case reflect.Slice:
		if t == reflect.TypeFor[[]rawRule]() {
			r.fill(p, n, reflect.ValueOf(&r.rules).Elem())
			return nil
		}
		var list []scalar
		r.list(p, n, reflect.ValueOf(&list).Elem())
		if list == nil || slices.ContainsFunc(list, func(s scalar) bool { return !s.set() }) {
			return nil // it has been reported
		}
		texts, lines := make([]string, len(list)), make([]int32, len(list))
		for i, s := range list {
			texts[i], lines[i] = s.text, s.line
		}
		r.lines[p.String()] = append(lines, lineOf(n))
		return texts
	}
	s := r.scalar(p, n)
	if !s.set() {
		return nil
	}
	r.lines[p.String()] = []int32{s.line}
	return s.text
}

// one returns a single key's text with the place to blame for it.
func (r *reader) one(key, text string) (path, scalar) {
	s := scalar{text: text, from: r.over[key]}
	if s.from == "" {
		s.from = "default"
		if l := r.lines[key]; len(l) > 0 {
			s.line, s.from = l[0], ""
		}
	}
	return top(key), s
}

// some is one for a list; last is the place of the list itself.
func (r *reader) some(key string, texts []string) (p path, list []scalar, last scalar) {
	lines := r.lines[key]
	p, last = r.one(key, "")
	for i, t := range texts {
		s := last
		s.text = t
		if s.from == "" {
			s.line = lines[i]
		}
		list = append(list, s)
	}
	if last.from == "" {
		last.line = lines[len(lines)-1]
	}
	return p, list, last
}

// absolute joins a path of the file to the folder that the file is in.
func absolute(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
