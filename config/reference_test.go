package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// The machine that the reference is written for.
var referenceNode = Overrides{Hostname: "ns1.example.net"}

func TestReferenceLoads(t *testing.T) {
	if _, err := Parse([]byte(Reference), "reference.yaml", referenceNode); err != nil {
		t.Fatal(err)
	}
}

// TestReferenceNamesEveryKey walks the raw structs: each key of each stands
// in the reference at least once, with a comment that explains it.
func TestReferenceNamesEveryKey(t *testing.T) {
	doc := referenceDoc(t)
	seen := map[string]bool{}
	walk(doc, reflect.TypeFor[rawSettings](), seen)
	walk(doc, reflect.TypeFor[rawLists](), seen)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[rawSettings](), reflect.TypeFor[rawLists](), reflect.TypeFor[rawMonitor](), reflect.TypeFor[rawHTTP](), reflect.TypeFor[rawTLS](),
		reflect.TypeFor[rawTCP](), reflect.TypeFor[rawDNS](), reflect.TypeFor[rawPool](), reflect.TypeFor[rawZone](), reflect.TypeFor[rawService](), reflect.TypeFor[rawChoice](),
		reflect.TypeFor[rawPolicy](), reflect.TypeFor[rawFilter](), reflect.TypeFor[rawHealthy](), reflect.TypeFor[rawFence](), reflect.TypeFor[rawPrefer](),
		reflect.TypeFor[rawPlaceList](), reflect.TypeFor[rawFastest](), reflect.TypeFor[rawFailback](), reflect.TypeFor[rawBinding](), reflect.TypeFor[rawRamp](), reflect.TypeFor[rawRule](), reflect.TypeFor[rawDrill](), reflect.TypeFor[rawFeed](),
		reflect.TypeFor[rawProvider](), reflect.TypeFor[rawCustom](), reflect.TypeFor[rawKey](), reflect.TypeFor[rawSecondary](),
		reflect.TypeFor[rawTap](), reflect.TypeFor[rawDnstap](), reflect.TypeFor[rawTapLog](),
		reflect.TypeFor[rawAlert](), reflect.TypeFor[rawWebhook](), reflect.TypeFor[rawSlack](), reflect.TypeFor[rawPagerDuty](), reflect.TypeFor[rawAlertmanager](), reflect.TypeFor[rawEmail](),
	} {
		eachKey(typ, func(owner reflect.Type, key string) {
			if !seen[owner.String()+"."+key] {
				t.Errorf("the key %s of %s is not in config/reference.yaml", key, owner)
			}
		})
	}
}

// eachKey calls f with the keys of typ and of the sections inside it.
func eachKey(typ reflect.Type, f func(owner reflect.Type, key string)) {
	for i := range typ.NumField() {
		key, ok := typ.Field(i).Tag.Lookup("key")
		if !ok {
			continue
		}
		f(typ, key)
		if ft := typ.Field(i).Type; ft.Kind() == reflect.Struct && ft.Name() == "" {
			eachKey(ft, f)
		}
	}
}

// walk marks every key that n has of typ.
func walk(n *yaml.Node, typ reflect.Type, seen map[string]bool) {
	switch {
	case typ == reflect.TypeFor[deferred]():
		typ = reflect.TypeFor[[]rawService]()
	case typ.Kind() == reflect.Pointer:
		typ = typ.Elem()
	}
	if typ.Kind() == reflect.Slice {
		for _, it := range n.Content {
			walk(it, typ.Elem(), seen)
		}
		return
	}
	if typ == reflect.TypeFor[rawFilter]() && n.Kind == yaml.ScalarNode { // a filter may be a word alone
		seen[typ.String()+"."+n.Value] = true
	}
	if typ.Kind() != reflect.Struct || n.Kind != yaml.MappingNode {
		return
	}
	for k := 0; k < len(n.Content); k += 2 {
		for i := range typ.NumField() {
			if typ.Field(i).Tag.Get("key") == n.Content[k].Value {
				seen[typ.String()+"."+n.Content[k].Value] = true
				walk(n.Content[k+1], typ.Field(i).Type, seen)
			}
		}
	}
}

// TestReferenceExplainsEveryKey: the first line of each key in the reference
// has a comment, or begins a section.
func TestReferenceExplainsEveryKey(t *testing.T) {
	said := map[string]bool{}
	for i, line := range strings.Split(Reference, "\n") {
		key, rest, ok := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "- "), ":")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(key, "{") {
			continue
		}
		section := strings.TrimSpace(rest) == ""
		if !said[key] && !section && !strings.Contains(rest, " # ") && key != "name" {
			t.Errorf("reference.yaml:%d: %s has no comment", i+1, key)
		}
		said[key] = true
	}
}

// Keys of the reference that have no default, because what they say cannot
// be guessed. Removing any other changes nothing.
var noDefault = []string{
	"node", // with listen and resolvers, only its defaults
	"monitors[4].dns.name", "monitors[3].tcp.expect",
	"pools[0].monitors", "pools[1].monitors", "pools[2].monitors", "pools[0].origin",
	"pools[0].jurisdiction", "pools[0].location", "pools[0].https", "pools[0].https.port",
	"pools[1].jurisdiction", "pools[1].max_share", "pools[1].failback", "pools[1].https", "pools[1].https.alias", "pools[2].jurisdiction", "pools[2].location",
	"safety", "safety.rules", "places", "places.networks",
	"policies[0].chain[1].fence.clients", "policies[0].chain[2].prefer.by", "policies[0].chain[2].prefer.map", "policies[0].chain[2].prefer.default", "policies[0].chain[2].prefer.last_resort",
	"policies[1].chain[1].prefer.lists[0].last_resort", "policies[3].pools", "policies",
	"zones[0].services[0].ramp",
	"zones[0].file", "zones[0].services", "zones[0].services[1].policy",
	"zones[0].services[1].pools[0].weight", "zones[0].services[1].pools[1].weight", "zones[0].services[1].policy", "zones[1].services[0].policy",
	"feeds", "feeds[0].pools",
	"drills", "drills[0].services", "drills[0].windows", "drills[0].blocked_dates", "drills[0].abort_if",
	"zones", "pools", "monitors",
	"keys", "secondaries", "secondaries[0].key", "secondaries[0].zones", "taps", "alerts", "providers", "providers[0].zones", "providers[0].only", "providers[0].adopt", "providers[0].servers",
	"providers[1].rfc2136.key", "providers[1].rfc2136.secret_file", "providers[13].custom.settings", "providers[13].custom.secret_files",
}

// TestReferenceShowsDefaults removes each key in turn: the file means the same
// without it, or it does not load without it, or the key is known to have no
// default.
func TestReferenceShowsDefaults(t *testing.T) {
	want, err := Parse([]byte(Reference), "reference.yaml", referenceNode)
	if err != nil {
		t.Fatal(err)
	}
	root := referenceDoc(t)
	removed := 0
	without(root, "", func(key string) {
		text, err := yaml.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(text, "reference.yaml", referenceNode)
		if err != nil || slices.Contains(noDefault, key) {
			return // required
		}
		removed++
		if diff := cmp.Diff(want, got, compare...); diff != "" {
			t.Errorf("%s has another default than config/reference.yaml shows: reference -, default +\n%s", key, diff)
		}
	})
	if removed < 60 {
		t.Errorf("only %d keys have defaults", removed)
	}
}

// without calls f once for every key below n, while that key is removed.
func without(n *yaml.Node, at string, f func(key string)) {
	switch n.Kind {
	case yaml.SequenceNode:
		for i, it := range n.Content {
			without(it, fmt.Sprintf("%s[%d]", at, i), f)
		}
	case yaml.MappingNode:
		all := n.Content
		for k := 0; k < len(all); k += 2 {
			key := strings.TrimPrefix(at+"."+all[k].Value, ".")
			n.Content = slices.Concat(all[:k], all[k+2:])
			f(key)
			n.Content = all
			without(all[k+1], key, f)
		}
	}
}

// TestSinglesAreTheSettings: the table of single keys and the struct that
// they are read into have the same keys.
func TestSinglesAreTheSettings(t *testing.T) {
	var want, got []string
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			key, ft := prefix+typ.Field(i).Tag.Get("key"), typ.Field(i).Type
			if ft == reflect.TypeFor[[]rawRule]() { // a list of mappings
				continue
			}
			if ft.Kind() == reflect.Struct {
				walk(key+".", ft)
				continue
			}
			want = append(want, fmt.Sprint(key, " ", ft.Kind() == reflect.Slice))
		}
	}
	walk("", reflect.TypeFor[rawSettings]())
	for _, s := range singles() {
		got = append(got, fmt.Sprint(s.key, " ", s.list))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("struct -, table +\n%s", diff)
	}
}

func referenceDoc(t *testing.T) *yaml.Node {
	t.Helper()
	doc, err := parseYAML([]byte(Reference))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
