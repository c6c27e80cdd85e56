package alert

import (
	"context"
	"net"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/shunt-dns/shunt/config"
)

// mail sends m to everybody of r, as one message in plain text.
func mail(ctx context.Context, r *config.Alert, m Message) error {
	msg := gomail.NewMsg()
	if err := msg.From(r.From); err != nil {
		return err
	}
	if err := msg.To(r.To...); err != nil {
		return err
	}
	msg.SetMessageIDWithValue(m.ID + "@shunt.invalid")
	msg.SetDateWithValue(m.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no machine is to answer
	msg.Subject(Subject(m))
	msg.SetBodyString(gomail.TypeTextPlain, Text(m))
	host, port, err := net.SplitHostPort(r.Server)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	wait := patience // also while the server says nothing, for which the library does not look at ctx
	if until, ok := ctx.Deadline(); ok {
		wait = max(time.Until(until), time.Millisecond)
	}
	options := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(wait)}
	switch r.Security {
	case config.MailImplicit:
		options = append(options, gomail.WithSSL())
	case config.MailPlain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if r.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(r.User), gomail.WithPassword(r.Key.Reveal()))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, msg)
}
