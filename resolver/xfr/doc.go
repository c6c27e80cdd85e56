// Package xfr makes a node the hidden primary of its zones: secondaries take
// them by AXFR (RFC 5936) and IXFR (RFC 1995) over TCP and TLS (RFC 9103),
// signed by TSIG (RFC 8945), are told of changes by NOTIFY (RFC 1996), and are
// asked for their serials, so that one that falls behind is noticed. A catalog
// zone (RFC 9432) tells them which zones there are.
//
// What is transferred comes from the snapshot that is served, and one transfer
// comes from one snapshot. A [Primary] owns the goroutines; the journals that
// IXFR goes back by are in the state directory.
//
// It is never a secondary: it asks nobody for a zone and takes none. It
// decides no serial, holds up neither queries nor steering, however slow a
// secondary or the disk is, and gives nothing to who is not named in the
// configuration.
package xfr
