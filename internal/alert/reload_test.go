package alert

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A reload while a message is on its way tells nobody twice, whether the route
// stays as it is or not; and one that was mended is tried at once.
func TestReloadWhileTelling(t *testing.T) {
	for what, changed := range map[string][]config.Alert{
		"the same":   two[:1],
		"it differs": {{Name: "a", Kind: config.Webhook, Resolved: true, Group: time.Second}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			d := w.deps("")
			d.Send = func(ctx context.Context, r *config.Alert, m Message) error {
				time.Sleep(5 * time.Second)
				return w.send(ctx, r, m)
			}
			tell := New(two[:1], d)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- tell.Run(ctx) }()
			w.set("pool-down")
			for range 3 {
				time.Sleep(1500 * time.Millisecond)
				tell.Use(changed)
			}
			time.Sleep(time.Minute)
			w.want(t, what, "a: raised pool-down")
			w.breaks("a", errors.New("404"))
			w.set()
			time.Sleep(time.Hour)
			w.breaks("a", nil)
			tell.Use([]config.Alert{{Name: "a", Kind: config.Webhook, Resolved: true, URL: config.NewSecret(what)}})
			time.Sleep(10 * time.Second)
			w.want(t, "mended", "a: ended pool-down")
			if s := tell.Status(); s[0].Told != 2 {
				t.Errorf("%+v", s[0])
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Attempts to tell the same have one id, by which a receiver that took the
// first one knows them; what tells more, or of another time, has its own.
func TestOneMessageHasOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.deps("")
		var ids []string
		d.Send = func(ctx context.Context, r *config.Alert, m Message) error {
			ids = append(ids, m.ID)
			return w.send(ctx, r, m)
		}
		w.breaks("a", errors.New("the answer was lost"))
		tell := New(two[:1], d)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- tell.Run(ctx) }()
		w.set("pool-down")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(ids); n < 3 || ids[0] != ids[n-1] {
			t.Fatalf("attempts to tell the same: %q", ids)
		}
		first := ids[0]
		w.set("pool-down", "frozen")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if last := ids[len(ids)-1]; last == first {
			t.Error("a message that tells more has the id of the one before")
		}
		w.breaks("a", nil)
		time.Sleep(10 * time.Minute)
		w.set()
		time.Sleep(time.Minute)
		w.set("pool-down")
		time.Sleep(time.Minute)
		synctest.Wait()
		if last := ids[len(ids)-1]; last == first {
			t.Error("an alarm that comes again has the id of its first time")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
