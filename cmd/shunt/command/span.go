package command

import (
	"fmt"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A span is a flag that takes a duration as the configuration writes it, from
// least to most, which are whole milliseconds.
type span struct {
	d           time.Duration
	least, most time.Duration
}

// Set reads text; it is part of pflag.Value.
func (s *span) Set(text string) error {
	d, err := config.ParseDuration(text)
	switch {
	case err != nil:
		return err
	case d < s.least:
		return fmt.Errorf("too short: at least %s", config.FormatDuration(s.least))
	case d > s.most:
		return fmt.Errorf("too long: at most %s", config.FormatDuration(s.most))
	}
	s.d = d
	return nil
}

// String returns the value, "" when there is none.
func (s *span) String() string {
	if s.d == 0 {
		return ""
	}
	return config.FormatDuration(s.d)
}

// Type names the kind of value.
func (s *span) Type() string { return "duration" }
