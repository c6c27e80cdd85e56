package monitor

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

// BenchmarkPublish is one verdict that changes among 10,000 endpoints in
// 1,000 pools; BenchmarkPublishAll is all of them at once.
func BenchmarkPublish(b *testing.B)    { benchmarkPublish(b, 1) }
func BenchmarkPublishAll(b *testing.B) { benchmarkPublish(b, 1000) }

func benchmarkPublish(b *testing.B, touched int) {
	var pools []config.Pool
	for i := range 1000 {
		p := addressPool(fmt.Sprintf("p%d", i))
		for j := range 10 {
			p.Addresses = append(p.Addresses, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}))
		}
		pools = append(pools, p)
	}
	d := newWorld(nil).deps()
	d.Logger = slog.New(slog.DiscardHandler)
	r, err := New(conf(pools...), d, nil)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range r.order[:touched] {
			r.touch(p)
		}
		r.urgent = true
		r.publish(now)
	}
}

// BenchmarkProbe2000 probes 2,000 endpoints each second by plain HTTP over
// new connections on loopback. One op is one second; cores is the processor
// time that this process took in it.
func BenchmarkProbe2000(b *testing.B) {
	port := startServer(b)
	var probes atomic.Int64
	cfg := &config.Config{Monitors: []config.Monitor{web()}}
	m := &cfg.Monitors[0]
	m.Kind, m.Interval = config.HTTP, time.Second
	m.HTTP = config.HTTPCheck{Host: "www.example.test", Port: port, Path: "/", Method: "GET", Status: []int{200}, Body: config.Match{Text: "shunt-ok"}}
	for i := range 2000 {
		cfg.Pools = append(cfg.Pools, addressPool(fmt.Sprintf("p%d", i), "127.0.0.1"))
	}
	d := Deps{Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	newProbe := d.Probe
	d.Probe = func(m config.Monitor) (Probe, error) {
		ask, err := newProbe(m)
		return func(ctx context.Context, a netip.Addr) health.Result {
			probes.Add(1)
			return ask(ctx, a)
		}, err
	}
	r, err := New(cfg, d, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(ctx) })
	<-r.Ready()
	time.Sleep(2 * time.Second) // the first round comes all at once
	began, cpu, n := time.Now(), processorTime(), probes.Load()
	b.ResetTimer()
	for range b.N {
		time.Sleep(time.Second)
	}
	b.StopTimer()
	took := time.Since(began).Seconds()
	b.ReportMetric((processorTime()-cpu).Seconds()/took, "cores")
	b.ReportMetric(float64(probes.Load()-n)/took, "probes/s")
	for name, p := range r.Table().Pools {
		if p.State != health.Up {
			b.Fatalf("pool %s is %s: %s", name, p.State, p.Reason)
		}
	}
	cancel()
	wg.Wait()
}

// startServer starts this program as a web server and returns its port.
func startServer(b *testing.B) uint16 {
	b.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), serveEnv+"=1")
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.ParseUint(strings.TrimSpace(line), 10, 16)
	if err != nil {
		b.Fatal(err)
	}
	return uint16(port)
}

// processorTime returns the user and system time of this process.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
