package probe

import (
	"context"
	"io"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// newTCP returns the question of a tcp monitor: a connection and, where the
// monitor says so, something sent and something expected.
func newTCP(m config.Monitor, idle *idleConns) ask {
	return func(ctx context.Context, at *attempt) {
		c, err := connect(ctx, at, m.TCP.Port, nil)
		if at.err = err; err != nil {
			return
		}
		if m.TCP.Send == "" && empty(m.TCP.Expect) {
			at.stage = answered
			c.leave(at, idle)
			return
		}
		stop := c.obey(ctx)
		at.err = talk(at, c, m.TCP)
		if !stop() || idle == nil || at.err != nil || at.missing != "" {
			_ = c.Close() // in peace: a reset could overtake what was sent
			return
		}
		c.leave(at, idle)
	}
}

// talk sends, and reads until what is expected has come.
func talk(at *attempt, c *conn, check config.TCPCheck) error {
	at.stage = waiting
	begin := time.Now()
	if check.Send != "" {
		if _, err := io.WriteString(c, check.Send); err != nil {
			return err
		}
	}
	if empty(check.Expect) {
		at.stage = answered
		return nil
	}
	buf := make([]byte, 0, 512)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := c.Read(buf[len(buf):min(cap(buf), maxRead)])
		if at.stage == waiting && n > 0 {
			at.stage = reading
			at.phases.Processing = time.Since(begin)
			begin = time.Now()
		}
		buf = buf[:len(buf)+n]
		at.body = buf
		if at.stage == reading {
			at.phases.Transfer = time.Since(begin)
		}
		switch {
		case matches(check.Expect, buf):
			at.stage = answered
			return nil
		case err == io.EOF && len(buf) > 0, len(buf) >= maxRead, err != nil && isTimeout(err) && len(buf) > 0:
			at.stage, at.missing = answered, matchText(check.Expect)
			return nil
		case err != nil:
			if at.stage == waiting {
				at.phases.Processing = time.Since(begin)
			}
			return err
		}
	}
}
