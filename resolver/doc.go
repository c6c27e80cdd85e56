// Package resolver serves snapshots over DNS. In the words of RFC 9499 it is
// an authoritative server: it answers from the zones it holds, refuses every
// other name, and never recurses, never asks another server and never caches.
//
// Its seam is [Worker.Answer], which turns the octets of one query into those
// of its reply and knows no sockets: time, the client's address and the
// transport are arguments. An [Answerer] holds what all workers read, each in
// one atomic pointer: the [zone.Snapshot] in service and the settings of
// config.DNS. A [Server] puts UDP and TCP sockets in front of it. Each has two
// ways behind one interface: batches and polling past Go's scheduler on Linux,
// and package net for every other system; tests run both.
//
// Per query there is no lock, no log line, no allocation and no goroutine.
// What miekg/dns can do is not used here; the tests hold the two together.
package resolver
