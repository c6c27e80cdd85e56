package alert

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"

	gomail "github.com/wneessen/go-mail"

	"github.com/shunt-dns/shunt/config"
)

// mail sends m to everybody of r, as one message in plain text.
func (s *Sender) mail(ctx context.Context, r *config.Alert, m Message) error {
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	secure := &tls.Config{ServerName: host, RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(patience), gomail.WithTLSConfig(secure)}
	switch r.Security {
	case config.MailImplicit: // opportunistic, so that the library looks whether the connection is TLS
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic), gomail.WithDialContextFunc(dialer(ctx, secure)))
	case config.MailPlain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithDialContextFunc(dialer(ctx, nil)))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(dialer(ctx, nil)))
	}
	if r.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(r.User), gomail.WithPassword(r.Key.Reveal()))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	if err = client.SendWithSMTPClient(conn, msg); err == nil {
		_ = client.CloseWithSMTPClient(conn) // the server has taken it, however it takes leave
	}
	return err
}

// dialer returns what opens a connection that ends with ctx, at which the
// library does not look while the server says nothing. Secure is for TLS from
// the beginning; nil: there is none.
func dialer(ctx context.Context, secure *tls.Config) gomail.DialContextFunc {
	return func(dial context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dial, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if secure == nil {
			return conn, nil
		}
		t := tls.Client(conn, secure)
		if err := t.HandshakeContext(dial); err != nil {
			return nil, err
		}
		return t, nil
	}
}
