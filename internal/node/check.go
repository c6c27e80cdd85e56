package node

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health/probe"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver"
)

// Check looks for what would keep a node of cfg from starting, or from
// reloading later, and does not stand in the file itself: what its monitors
// need, the user it is to become, and, for root, whether that user may read
// what root may. It changes nothing and opens no socket. The error is
// [config.Problems], all of them at once.
func Check(cfg *config.Config, custom map[string]kind.Opener) error {
	ps := slices.Concat(checkMonitors(cfg), checkKeypair(cfg), checkProviders(cfg, custom), checkUser(cfg))
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// checkMonitors makes each monitor's probe.
func checkMonitors(cfg *config.Config) config.Problems {
	var ps config.Problems
	for _, m := range cfg.Monitors {
		_, err := probe.New(m)
		if err == nil {
			continue
		}
		p := config.Problem{File: cfg.Path, Key: "monitors[" + m.Name + "]." + string(m.Kind),
			What: strings.TrimPrefix(err.Error(), "monitor "+m.Name+": ")}
		if said, ok := strings.CutPrefix(p.What, "root_cas: "); ok {
			p.Key, p.What = p.Key+".root_cas", said
		}
		if i := strings.LastIndex(p.What, " ("); i > 0 && strings.HasSuffix(p.What, ")") { // what (mend)
			p.What, p.Mend = p.What[:i], p.What[i+2:len(p.What)-1]
		}
		ps = append(ps, p)
	}
	return ps
}

// checkKeypair reads the certificate that listeners show.
func checkKeypair(cfg *config.Config) config.Problems {
	own := cfg.Listen.TLS
	if own.Certificate == "" {
		return nil
	}
	if _, err := resolver.CheckKeypair(own.Certificate, own.Key); err != nil {
		return config.Problems{{File: cfg.Path, Key: "listen.tls", What: err.Error(),
			Mend: "name the PEM files of a certificate, its chain behind it, and of its key"}}
	}
	return nil
}

// checkUser looks node.user up, and what it may read.
func checkUser(cfg *config.Config) config.Problems {
	if cfg.Node.User == "" {
		return nil
	}
	u, err := user.Lookup(cfg.Node.User)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return config.Problems{{File: cfg.Path, Key: "node.user", What: fmt.Sprintf("there is no user %q", cfg.Node.User),
			Mend: "make it, name another, or leave the key out"}}
	}
	if err != nil {
		return config.Problems{{File: cfg.Path, Key: "node.user", What: err.Error()}}
	}
	if os.Geteuid() != 0 {
		return nil // what we may read is no witness for another
	}
	var ps config.Problems
	r := newRights(u)
	for _, f := range filesOf(cfg) {
		if what := r.read(f.path); what != "" {
			ps = append(ps, config.Problem{File: cfg.Path, Key: f.key, What: what + ", and a reload must read it",
				Mend: "let that user read it, by its group or its mode"})
		}
	}
	return ps
}

// A file is what a reload reads, with the key that names it.
type file struct{ key, path string }

// filesOf lists the files of cfg that a reload reads; what zone files include
// is not among them.
func filesOf(cfg *config.Config) []file {
	list := []file{{"node.user", cfg.Path}}
	if cfg.DNS.SecretFile != "" {
		list = append(list, file{"dns.cookie_secret_file", cfg.DNS.SecretFile})
	}
	if own := cfg.Listen.TLS; own.Certificate != "" {
		list = append(list, file{"listen.tls.certificate", own.Certificate}, file{"listen.tls.key", own.Key})
	}
	if path := cfg.Listen.Tokens; path != "" {
		if _, err := os.Stat(path); err == nil { // else nobody has a token yet
			list = append(list, file{"listen.tokens", path})
		}
	}
	for _, m := range cfg.Monitors {
		for _, path := range []string{m.HTTP.RootCAs, m.TLS.RootCAs} {
			if path != "" {
				list = append(list, file{"monitors[" + m.Name + "]." + string(m.Kind) + ".root_cas", path})
			}
		}
	}
	for _, p := range cfg.Providers {
		for _, name := range slices.Sorted(maps.Keys(p.Account.Files)) {
			list = append(list, file{"providers[" + p.Name + "]." + p.Kind + "." + name + "_file", p.Account.Files[name]})
		}
	}
	for _, z := range cfg.Zones {
		if z.File != "" {
			list = append(list, file{"zones[" + z.Name + "].file", z.File})
		}
	}
	return append(list, placeFiles(cfg)...)
}

// placeFiles lists those that say where clients are, and what they get there.
func placeFiles(cfg *config.Config) []file {
	var list []file
	for _, path := range cfg.Places.Databases {
		list = append(list, file{"places.databases", path})
	}
	if path := cfg.Places.File; path != "" {
		list = append(list, file{"places.networks", path})
	}
	for _, p := range cfg.Policies {
		for _, f := range p.Chain {
			if f.Prefer.File != "" {
				list = append(list, file{"policies[" + p.Name + "].chain.prefer.map", f.Prefer.File})
			}
		}
	}
	return list
}

// rights are what owner, group and mode of files let a user do. A file with an
// access control list counts as open: only the system knows what it says.
type rights struct {
	user    *user.User
	groups  []string
	folders map[string]string // the closed folder at or above each that was looked at; "" where there is none
}

func newRights(u *user.User) *rights {
	groups, _ := u.GroupIds() // none: the bits of others decide
	return &rights{u, groups, map[string]string{}}
}

// The bits of a mode.
const (
	mayRead = 4
	mayPass = 1
)

// read says why the user may not read path; "" when it may.
func (r *rights) read(path string) string {
	if dir := r.closed(filepath.Dir(path)); dir != "" {
		return fmt.Sprintf("the user %s may not pass %s to read %s", r.user.Username, dir, path)
	}
	if !r.allowed(path, mayRead) {
		return fmt.Sprintf("the user %s may not read %s", r.user.Username, path)
	}
	return ""
}

// closed returns the folder at or above dir that the user may not pass.
func (r *rights) closed(dir string) string {
	if at, ok := r.folders[dir]; ok {
		return at
	}
	at := ""
	if up := filepath.Dir(dir); up != dir {
		at = r.closed(up)
	}
	if at == "" && !r.allowed(dir, mayPass) {
		at = dir
	}
	r.folders[dir] = at
	return at
}
