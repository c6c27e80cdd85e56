package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manyServices is a file with n services, a line each.
func manyServices(n int) []byte {
	var b strings.Builder
	b.WriteString(`pools:
  - {name: a, cname: a.cdn.example.net}
  - {name: b, cname: b.cdn.example.net}
zones:
  - name: example.com
    services:
`)
	for i := range n {
		fmt.Fprintf(&b, "      - {name: n%d, pools: [a, b], policy: failover}\n", i)
	}
	return []byte(b.String())
}

// manyBlocks is the same file in block style, which takes the slow parser.
func manyBlocks(n int) []byte {
	var b strings.Builder
	b.WriteString("pools:\n- {name: a, cname: a.cdn.example.net}\n- {name: b, cname: b.cdn.example.net}\nzones:\n- name: example.com\n  services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: n%d\n    pools: [a, b]\n    policy: failover\n", i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"100000 services, a line each", manyServices(100_000)},
		{"100000 services, in blocks", manyBlocks(100_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			var kept *Config
			for b.Loop() {
				cfg, err := Parse(c.text, "shunt.yaml", Overrides{})
				if err != nil {
					b.Fatal(err)
				}
				kept = cfg
			}
			b.StopTimer()
			var with, without runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&with)
			runtime.KeepAlive(kept)
			kept = nil
			runtime.GC()
			runtime.ReadMemStats(&without)
			b.ReportMetric(float64(with.HeapAlloc-without.HeapAlloc)/1e6, "MB-kept")
		})
	}
}
