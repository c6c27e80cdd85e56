package config

import (
	"crypto/subtle"
	"log/slog"
)

// A Secret is a credential. It prints as "redacted" wherever it is formatted,
// logged or encoded; Reveal is the one way to its octets.
type Secret struct{ text string }

// NewSecret returns a secret of text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the credential itself, for the request that needs it.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is nothing to reveal.
func (s Secret) Empty() bool { return s.text == "" }

// Equal reports whether two secrets are the same, in a time that does not tell
// where they differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.text), []byte(o.text)) == 1
}

// redacted stands for a secret in everything that people or files see.
const redacted = "redacted"

// String returns "redacted", and "" for an empty secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
