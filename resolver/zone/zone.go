// Package zone holds compiled zones and answers questions from them by
// RFC 1034 §4.3.2. Its values are a [Zone] (one master file and its services,
// packed), a [Set] (all zones), a [Steered] (what a group of services answers
// now) and a [Snapshot] (all that a query needs, at one moment).
//
// It computes and nothing else: it starts no goroutine, opens no socket, takes
// no lock and never looks at the clock. It reads the master files that it is
// handed as a file system, and nothing else; after that, every value is
// immutable. It never signs, never recurses, and knows nothing of EDNS.
package zone
