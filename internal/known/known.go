// Package known decides which configuration a node starts with, when the one
// before ended its process. Its value is a [Memory]: what is in force, which
// configurations are known good, and which are known bad. A configuration is
// named by a hash of its files.
//
// It has no clock, reads no file and starts nothing: the caller says when a
// configuration has soaked, and whether the process before crashed.
package known

import (
	"slices"
	"time"
)

const (
	// Soak is how long a configuration must have been in force, without a
	// crash, before it is known good.
	Soak = 10 * time.Minute

	keep    = 3  // known good configurations that are kept
	keepBad = 16 // known bad ones
)

// A Memory is what a node remembers of its configurations, over restarts. It
// is a value: what happens yields the next one. Its JSON names are those of a
// file that later versions must read.
type Memory struct {
	Running string    `json:"running"` // in force; "": none was yet
	Since   time.Time `json:"since"`   // by the wall clock, for people
	Trying  string    `json:"trying"`  // about to come into force, in a reload; "": none
	Good    []string  `json:"good"`    // known good, the newest first, at most 3
	Bad     []Bad     `json:"bad"`     // known bad, the newest first
}

// A Bad is a configuration that ended a process before it had soaked.
type Bad struct {
	Hash string    `json:"hash"`
	What string    `json:"what"` // the first line of the crash
	At   time.Time `json:"at"`
}

// Tries returns the memory while hash is about to come into force; with "",
// once it was refused.
func (m Memory) Tries(hash string) Memory {
	m.Trying = hash
	return m
}

// Taken returns the memory once hash is in force. Force says that a person
// insists on it, whatever was known: it begins anew.
func (m Memory) Taken(hash string, at time.Time, force bool) Memory {
	if hash != m.Running {
		m.Running, m.Since = hash, at
	}
	m.Trying = ""
	if force {
		m.Bad = m.badBut(hash)
	}
	return m
}

// Soaked returns the memory once what is in force has been so for [Soak]
// without a crash: it is known good, and no longer known bad.
func (m Memory) Soaked() Memory {
	if m.Running == "" {
		return m
	}
	m.Bad = m.badBut(m.Running)
	m.Good = slices.DeleteFunc(slices.Clone(m.Good), func(h string) bool { return h == m.Running })
	m.Good = slices.Insert(m.Good, 0, m.Running)
	m.Good = m.Good[:min(len(m.Good), keep)]
	return m
}

// Crashed returns the memory after the process has ended by a panic, a fatal
// error or an abort, of which what is the first line.
//
//	in force, or about to be, was   then
//	nothing                         as before
//	known good                      as before: it has soaked once, so something else is new
//	not known good                  it is known bad
//
// An end without a trace (SIGKILL, power, SIGTERM) is no crash: it says nothing
// about the configuration.
func (m Memory) Crashed(what string, at time.Time) Memory {
	culprit := m.Running
	if m.Trying != "" {
		culprit, m.Trying = m.Trying, ""
	}
	if culprit == "" || slices.Contains(m.Good, culprit) {
		return m
	}
	m.Bad = slices.Insert(m.badBut(culprit), 0, Bad{culprit, what, at})
	m.Bad = m.Bad[:min(len(m.Bad), keepBad)]
	return m
}

// Lost returns the memory without the known good configuration hash, of which
// the copy is gone or damaged.
func (m Memory) Lost(hash string) Memory {
	m.Good = slices.DeleteFunc(slices.Clone(m.Good), func(h string) bool { return h == hash })
	return m
}

// Choose returns what to start with, where the files that are named now have
// the hash file.
//
//	file       a known good one       start with
//	not bad    any                    file: it is new, changed, or well
//	bad        that is not bad too    the newest of those
//	bad        none                   file: nothing better is known
func (m Memory) Choose(file string) string {
	if _, bad := m.Blame(file); !bad {
		return file
	}
	for _, h := range m.Good {
		if _, bad := m.Blame(h); !bad {
			return h
		}
	}
	return file
}

// Blame returns why hash is known bad, and whether it is.
func (m Memory) Blame(hash string) (Bad, bool) {
	i := slices.IndexFunc(m.Bad, func(b Bad) bool { return b.Hash == hash })
	if i < 0 {
		return Bad{}, false
	}
	return m.Bad[i], true
}

// badBut returns a fresh list of the bad ones without hash.
func (m Memory) badBut(hash string) []Bad {
	return slices.DeleteFunc(slices.Clone(m.Bad), func(b Bad) bool { return b.Hash == hash })
}
