package providers

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/providers/kind"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A silent provider has no records, and a silent source no answers.
type silent struct{}

func (silent) GetRecords(context.Context, string) ([]libdns.Record, error) { return nil, nil }
func (silent) SetRecords(_ context.Context, _ string, r []libdns.Record) ([]libdns.Record, error) {
	return r, nil
}
func (silent) DeleteRecords(_ context.Context, _ string, r []libdns.Record) ([]libdns.Record, error) {
	return r, nil
}
func (silent) Generation() uint64                          { return 1 }
func (silent) Service(string, config.Content) []zone.RRset { return nil }

// TestFirstAnswer: the first answer may come at any moment of a worker's first
// turn, also when it has just seen that there is none.
func TestFirstAnswer(t *testing.T) {
	k, err := New(&config.Config{Providers: []config.Provider{{Name: "one", Every: time.Hour, VerifyFor: time.Second}}}, Deps{
		Log: slog.New(slog.DiscardHandler), Open: func(config.Provider) (kind.Provider, error) { return silent{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := k.workers[0]
	w.mu.Lock()
	turned := make(chan time.Duration)
	go func() { turned <- w.turn(t.Context()) }()
	time.Sleep(50 * time.Millisecond) // it waits for mu, having looked
	k.Publish(silent{})
	w.mu.Unlock()
	<-turned
	if len(w.wake) == 0 {
		t.Error("it is not woken by the answer")
	}
	w.turn(t.Context())
	if w.status().State != InStep {
		t.Errorf("it is %s", w.status().State)
	}
}
