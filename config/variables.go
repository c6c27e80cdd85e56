package config

import (
	"maps"
	"slices"
	"strings"
)

// variables are those of the environment that hold secrets of one section, and
// that nobody took yet.
type variables struct {
	prefix string // that their names begin with
	left   map[string]string
}

// variablesOf returns those of env that begin with prefix.
func variablesOf(env []string, prefix string) variables {
	v := variables{prefix, map[string]string{}}
	for _, e := range env {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, prefix) {
			v.left[name] = strings.TrimSpace(value)
		}
	}
	return v
}

// take returns the value of the variable called name, without white space
// around it, and whether there is one.
func (v variables) take(name string) (value string, ok bool) {
	value, ok = v.left[name]
	delete(v.left, name)
	return value, ok
}

// untaken reports variables that nobody took. Those that Kubernetes sets by
// itself are left alone, see reader.unknownEnv.
func (r *reader) untaken(v variables, what, mend string) {
	for _, name := range slices.Sorted(maps.Keys(v.left)) {
		if !ofKubernetes(name) {
			r.problem(path{index: -1}, scalar{from: source(name)}, what, mend)
		}
	}
}

// ofKubernetes reports whether a variable is called like one that Kubernetes
// sets beside a service of our name.
func ofKubernetes(name string) bool {
	return strings.Contains(name, "_SERVICE_") || strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}

// secretVariable returns the variable that holds the secret key of what is
// called owner, in the section of prefix.
func secretVariable(prefix, owner, key string) string {
	return prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(owner+"_"+key))
}
