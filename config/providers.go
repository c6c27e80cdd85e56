package config

import (
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

type rawProvider struct {
	Line int32

	Name scalar `key:"name"`

	RFC2136        rawAccount `key:"rfc2136"`
	PowerDNS       rawAccount `key:"powerdns"`
	Cloudflare     rawAccount `key:"cloudflare"`
	Route53        rawAccount `key:"route53"`
	GoogleCloudDNS rawAccount `key:"googleclouddns"`
	Azure          rawAccount `key:"azure"`
	OVH            rawAccount `key:"ovh"`
	Scaleway       rawAccount `key:"scaleway"`
	Hetzner        rawAccount `key:"hetzner"`
	Gandi          rawAccount `key:"gandi"`
	DeSEC          rawAccount `key:"desec"`
	Bunny          rawAccount `key:"bunny"`
	DigitalOcean   rawAccount `key:"digitalocean"`
	Custom         *rawCustom `key:"custom"`

	Zones      []scalar `key:"zones"`
	Only       []scalar `key:"only"`
	Adopt      []scalar `key:"adopt"`
	Owner      scalar   `key:"owner"`
	Content    scalar   `key:"content"`
	TTLMin     scalar   `key:"ttl_min"`
	Changes    scalar   `key:"max_changes"`
	Deletes    scalar   `key:"max_deletes"`
	Drift      scalar   `key:"drift"`
	DriftEvery scalar   `key:"drift_every"`
	Servers    []scalar `key:"servers"`
	VerifyFor  scalar   `key:"verify_for"`
}

// A rawAccount is what a kind is told. Its keys are those of the kind's row.
type rawAccount struct{ node *yaml.Node }

type rawCustom struct {
	Line int32

	Module      scalar   `key:"module"`
	Endpoint    scalar   `key:"endpoint"`
	Settings    []scalar `key:"settings"`
	SecretFiles []scalar `key:"secret_files"`
}

// A secretFile is where a secret of a provider is to be read from.
type secretFile struct {
	provider int // index in Config.Providers
	name     string
	at       path
	s        scalar // as it was written
	form     string // that it is to have
}

// secretPrefix begins the variables that hold secrets of providers.
const secretPrefix = "SHUNT_PROVIDER_"

// A providerReader makes the providers of one file.
type providerReader struct {
	*reader
	dir      string
	env      variables // of secrets of providers
	zones    map[string]place
	services map[string]place
	modules  []string // of the build; nil: not known
	i        int      // index of the provider in Config.Providers
}

// providers makes the providers.
func (r *reader) providers(list []rawProvider, zones []Zone, o Overrides, dir string) []Provider {
	w := &providerReader{reader: r, dir: dir, modules: o.Modules, env: variablesOf(o.Env, secretPrefix), zones: map[string]place{}, services: map[string]place{}}
	if len(list) > 0 {
		for _, z := range zones {
			w.zones[z.Name] = place{}
			for _, s := range z.Services {
				w.services[s.Name] = place{}
			}
		}
	}
	var out []Provider
	seen := map[string]place{}
	for i := range list {
		p, raw := top("providers").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		w.i = len(out)
		v := w.provider(p, raw)
		r.named(p, raw.Name, seen, v.Name, i)
		out = append(out, v)
	}
	r.untaken(w.env, "no provider has such a secret", "write "+secretPrefix+", the provider's name and the secret's, as in SHUNT_PROVIDER_CF_TOKEN, or unset it")
	return out
}

func (w *providerReader) provider(p path, raw *rawProvider) Provider {
	v := Provider{
		Name:      w.label(p.sub("name"), raw.Name, ""),
		Owner:     w.label(p.sub("owner"), raw.Owner, "shunt"),
		Content:   Content(w.word(p.sub("content"), raw.Content, string(OnePool), string(AllPools))),
		TTLMin:    w.span(p.sub("ttl_min"), raw.TTLMin, 0, 0, day),
		Changes:   w.count(p.sub("max_changes"), raw.Changes, defaultChanges, 1, MaxChanges),
		Deletes:   w.count(p.sub("max_deletes"), raw.Deletes, defaultDeletes, 0, MaxChanges),
		Drift:     Drift(w.word(p.sub("drift"), raw.Drift, string(RepairDrift), string(ReportDrift))),
		Every:     w.span(p.sub("drift_every"), raw.DriftEvery, defaultDriftEvery, time.Minute, day),
		Servers:   w.servers(p.sub("servers"), raw.Servers),
		VerifyFor: w.span(p.sub("verify_for"), raw.VerifyFor, defaultVerifyFor, time.Second, time.Hour),
		Zones:     w.refersAll(p.sub("zones"), raw.Zones, "zone", w.zones),
		Only:      w.refersAll(p.sub("only"), raw.Only, "service", w.services),
	}
	if raw.Name.missing() {
		w.problem(p, at(raw.Line), "the provider has no name", "write name: NAME, by which status calls it")
	}
	if v.TTLMin%time.Second != 0 {
		w.problem(p.sub("ttl_min"), raw.TTLMin, clip(raw.TTLMin.text)+" is not a whole number of seconds", "write whole seconds, as in 60s")
	}
	if len(raw.Adopt) == 1 && raw.Adopt[0].text == "*" {
		v.Adopt = []string{"*"}
	} else {
		v.Adopt = w.refersAll(p.sub("adopt"), raw.Adopt, "service", w.services)
	}
	w.kind(p, raw, &v)
	return v
}

// kind finds the one kind of a provider, and what it is told.
func (w *providerReader) kind(p path, raw *rawProvider, v *Provider) {
	var kinds []string
	accounts := reflect.ValueOf(raw).Elem()
	shape := w.shape(accounts.Type())
	for i, key := range shape.names {
		if a, ok := accounts.Field(shape.field[i]).Interface().(rawAccount); ok && a.node != nil {
			kinds = append(kinds, key)
			v.Kind, v.Account = key, w.account(p.sub(key), key, v.Name, a.node, raw.Line)
		}
	}
	if raw.Custom != nil {
		kinds = append(kinds, Custom)
		v.Kind, v.Account = Custom, w.custom(p.sub(Custom), v.Name, raw.Custom)
	}
	switch {
	case len(kinds) == 0:
		w.problem(p, at(raw.Line), "the provider does not say what it is", "write one of "+listed(kindNames()))
	case len(kinds) > 1:
		w.problem(p, at(raw.Line), "a provider is one account, not "+strings.Join(kinds, " and "), "write a provider for each")
	}
}

func kindNames() []string {
	var out []string
	for _, k := range ProviderKinds() {
		out = append(out, k.Kind)
	}
	return append(out, Custom)
}

// account reads the keys of a kind by its row of the table.
func (w *providerReader) account(p path, kind, name string, n *yaml.Node, line int32) Account {
	a := Account{Values: map[string]string{}, Secrets: map[string]Secret{}, Files: map[string]string{}}
	rows := ProviderKinds()
	row := rows[slices.IndexFunc(rows, func(k ProviderKind) bool { return k.Kind == kind })]
	keys := []string{"endpoint"}
	for _, k := range row.Keys {
		keys = append(keys, written(k))
	}
	given := make([]scalar, len(keys))
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null": // as "cloudflare:", with the secret in the environment
	case n.Kind == yaml.MappingNode:
		w.entries(p, n, keys, func(i int, n *yaml.Node) { given[i] = w.scalar(child(p, keys[i]), follow(n)) })
	default:
		w.problem(p, at(lineOf(n)), "this must be a mapping, not "+kindOf(n), "write key: value pairs; "+known(keys))
		return a
	}
	if l := lineOf(n); l > 0 {
		line = l
	}
	a.Endpoint = given[0].or("")
	if need, ok := strings.CutPrefix(row.Endpoint, "required: "); ok && a.Endpoint == "" && !given[0].bad {
		w.problem(p, at(line), "the account has no endpoint", "write endpoint: "+need)
	}
	w.endpoint(p, kind, given[0])
	for i, k := range row.Keys {
		s := given[i+1]
		if k.Secret {
			w.secretOf(p, k, name, s, line, a)
			continue
		}
		if k.Required && s.missing() || s.set() && s.text == "" && k.Required {
			w.problem(p, at(line), "the account has no "+k.Name, "write "+k.Name+": "+k.Help)
		}
		w.form(p, k, s)
		a.Values[k.Name] = s.or(k.Default)
	}
	if kind == "rfc2136" {
		w.together(p, name, given[1], line, a)
	}
	return a
}

// written returns the key of k as it stands in the file.
func written(k ProviderKey) string {
	if k.Secret {
		return k.Name + "_file"
	}
	return k.Name
}

// secretOf takes a secret from the environment, or notes the file that it is
// to be read from. The environment outranks the file, as everywhere.
func (w *providerReader) secretOf(p path, k ProviderKey, provider string, s scalar, line int32, a Account) {
	key := k.Name
	variable := SecretVariable(provider, key)
	value, ok := w.env.take(variable)
	switch q := p.sub(key + "_file"); {
	case ok && value == "":
		w.problem(q, scalar{from: source(variable)}, "the variable holds no secret", "set or unset it")
	case ok && !spells(k.Form, value):
		w.problem(q, scalar{from: source(variable)}, "the secret is not base64", notBase64)
		fallthrough // it is there
	case ok:
		a.Secrets[key] = NewSecret(value)
	case s.set() && s.text == "" && k.Required:
		w.problem(q, s, "the file has no name", "name the file that holds the secret, or set "+variable)
	case s.set() && s.text != "":
		file := w.filePath(q, s, w.dir)
		a.Files[key] = file
		w.secrets = append(w.secrets, secretFile{w.i, key, q, s, k.Form})
	case s.missing() && k.Required:
		w.problem(p, at(line), "the account has no "+key, "write "+key+"_file: FILE, or set "+variable)
	}
}

// SecretVariable returns the variable of the environment that holds a secret
// of a provider: SHUNT_PROVIDER_CF_TOKEN for the token of cf.
func SecretVariable(provider, key string) string {
	return secretVariable(secretPrefix, provider, key)
}

// custom reads what the module of a user's own build is told: its settings and
// secrets, each as "name: value", since their names are the module's.
func (w *providerReader) custom(p path, name string, raw *rawCustom) Account {
	a := Account{Endpoint: raw.Endpoint.or(""), Values: map[string]string{}, Secrets: map[string]Secret{}, Files: map[string]string{}}
	if raw.Module.missing() {
		w.problem(p, at(raw.Line), "the account has no module", "write module: NAME, as it is registered in your own build")
	}
	if i := slices.IndexFunc(ProviderKinds(), func(k ProviderKind) bool { return k.Kind == raw.Module.text }); i >= 0 {
		w.problem(p.sub("module"), raw.Module, raw.Module.text+" is built in", "write "+raw.Module.text+": instead of custom:")
	} else {
		w.registered(p, raw.Module)
	}
	pair := func(key string, i int, s scalar) (name, value string) {
		name, value, ok := strings.Cut(s.text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if s.set() && (!ok || name == "" || value == "") {
			w.problem(p.sub(key).item(i), s, fmt.Sprintf("%q is no name with a value", clip(s.text)), `write "name: value"`)
			return "", ""
		}
		if _, twice := a.Values[name]; twice || !a.Secrets[name].Empty() || a.Files[name] != "" {
			w.problem(p.sub(key).item(i), s, name+" stands here twice", "keep one of them")
			return "", ""
		}
		return name, value
	}
	for i, s := range raw.Settings {
		if key, value := pair("settings", i, s); key == "module" {
			w.problem(p.sub("settings").item(i), s, "module is no setting", "write module: NAME beside settings")
		} else if key != "" {
			a.Values[key] = value
		}
	}
	for i, s := range raw.SecretFiles {
		if key, value := pair("secret_files", i, s); key != "" {
			s.text = value
			a.Files[key] = w.filePath(p.sub("secret_files").item(i), s, w.dir)
			w.secrets = append(w.secrets, secretFile{w.i, key, p.sub("secret_files").item(i), s, ""})
		}
	}
	prefix := SecretVariable(name, "")
	for variable, value := range w.env.left {
		if key, ok := strings.CutPrefix(variable, prefix); ok && key != "" {
			a.Secrets[strings.ToLower(key)] = NewSecret(strings.TrimSpace(value))
			delete(w.env.left, variable)
		}
	}
	a.Values["module"] = raw.Module.text
	return a
}

// refersAll reads a list of names of what there is.
func (w *providerReader) refersAll(p path, list []scalar, what string, known map[string]place) []string {
	var out []string
	for i, s := range list {
		q := p.item(i)
		name := w.name(q, s)
		switch {
		case name == "":
		case slices.Contains(out, name):
			w.problem(q, s, name+" stands here twice", "keep one of them")
		case w.refers(q, scalar{text: name, line: s.line}, what, known):
			out = append(out, name)
		}
	}
	return out
}

// servers reads names or addresses of servers; the port is 53 where it is left
// out.
func (w *providerReader) servers(p path, list []scalar) []string {
	var out []string
	for i, s := range list {
		host, port, err := net.SplitHostPort(s.text)
		if err != nil {
			host, port = strings.Trim(s.text, "[]"), "53"
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if !s.set() {
			continue
		}
		if err != nil || n == 0 || !validHost(host) {
			w.problem(p.item(i), s, fmt.Sprintf("%q is no server", clip(s.text)), `write a name or an address, and a port where it is not 53: ns1.example.net, "192.0.2.1:5300"`)
			continue
		}
		out = append(out, net.JoinHostPort(host, port))
	}
	return out
}

func validHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	_, err := parseName(host, ".")
	return err == nil && !strings.ContainsAny(host, ":[]/* ")
}

// maxSecret is what a file of a secret may hold, in octets.
const maxSecret = 64 << 10

// providerSecrets reads the files of the secrets. White space around a secret
// is not part of it.
func (r *reader) providerSecrets(list []Provider) {
	for _, f := range r.secrets {
		file := list[f.provider].Account.Files[f.name]
		text, err := readSecret(file)
		if err != nil {
			r.problem(f.at, f.s, err.Error(), "let it hold the secret and nothing else, mode 0600")
			continue
		}
		if !spells(f.form, text) {
			r.problem(f.at, f.s, file+" is not base64", notBase64)
			continue
		}
		list[f.provider].Account.Secrets[f.name] = NewSecret(text)
	}
}

func readSecret(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s holds more than a secret", file)
	case strings.TrimSpace(string(text)) == "":
		return "", fmt.Errorf("%s holds no secret", file)
	}
	return strings.TrimSpace(string(text)), nil
}
