package config

import (
	"fmt"
	"testing"
)

func TestWeb(t *testing.T) {
	for _, c := range []struct{ listen, want string }{
		{``, `[] ""`},
		{`web: [127.0.0.1, "[::1]:0", "127.0.0.2:80"]`, `[127.0.0.1:8053 [::1]:0 127.0.0.2:80] ""`},
		{`web: [127.0.0.1], tokens: tokens`, `[127.0.0.1:8053] "/etc/shunt/tokens"`},
		{`web: ["0.0.0.0:443"], tokens: /run/tokens, tls: {certificate: a, key: b}`, `[0.0.0.0:443] "/run/tokens"`},
	} {
		cfg, err := Parse([]byte("listen: {"+c.listen+"}\nzones: [{name: example.com, file: z}]\n"), "/etc/shunt/shunt.yaml", Overrides{})
		if err != nil {
			t.Errorf("%s: %v", c.listen, err)
			continue
		}
		if got := fmt.Sprintf("%v %q", cfg.Listen.Web, cfg.Listen.Tokens); got != c.want {
			t.Errorf("%s: %s, want %s", c.listen, got, c.want)
		}
	}
}
