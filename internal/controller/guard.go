package controller

import "github.com/shunt-dns/shunt/config"

// removes says in words why next takes away too much of what l has; "" when it
// does not. The rule is that of safety.max_remove in l, the configuration in
// force: a new one cannot relax it for itself.
func (l *Loaded) removes(next *Loaded) string {
	gone, of := l.Set.Gone(next.Set)
	removed := config.Removal(l.Config, next.Config, config.Static{Before: of, Gone: gone})
	return removed.Refuse(l.Config.Safety.MaxRemove)
}
