package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// A Mark is the TXT record beside a name that says that records there are
// ours. It carries the stamp of the decision that they follow, so that an older
// decision never overwrites what follows a newer one, and nodes that share an
// Owner look after the same records.
type Mark struct {
	Owner string
	Node  string   // who wrote it
	Stamp uint64   // of the decision; milliseconds since 1970 where clocks are right, and always above every stamp that its node had seen
	Types []string // that are ours at the name, or were until the last change, sorted
	Gone  bool     // the name is no longer steered: what is left of Types goes, and nothing older may bring it back
}

// heritage begins the text of every mark.
const heritage = "heritage=shunt"

// String returns the text of m's TXT record, which ParseMark reads:
//
//	heritage=shunt,owner=shunt,node=ns1.example.net,stamp=1763801110123,types=A+AAAA
func (m Mark) String() string {
	s := heritage + ",owner=" + m.Owner + ",node=" + word(m.Node) + ",stamp=" + strconv.FormatUint(m.Stamp, 10) + ",types=" + strings.Join(m.Types, "+")
	if m.Gone {
		s += ",gone=1"
	}
	return s
}

// word returns s without what would part a mark's text.
func word(s string) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '_'
	}, s)
	return s[:min(len(s), 63)]
}

// ParseMark reads the text of a TXT record; ok is false for one that is no
// mark. Keys that it does not know are passed over.
func ParseMark(text string) (m Mark, ok bool) {
	rest, ok := strings.CutPrefix(text, heritage+",")
	if !ok {
		return Mark{}, false
	}
	stamped := false
	for part := range strings.SplitSeq(rest, ",") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "owner":
			m.Owner = value
		case "node":
			m.Node = value
		case "stamp":
			n, err := strconv.ParseUint(value, 10, 64)
			m.Stamp, stamped = n, err == nil
		case "types":
			if value != "" {
				m.Types = strings.Split(value, "+")
			}
		case "gone":
			m.Gone = value == "1"
		}
	}
	slices.Sort(m.Types)
	return m, m.Owner != "" && stamped
}

// The first label of a mark.
const (
	markLabel  = "_shunt"
	markAffix  = markLabel + "-"
	anyLabel   = markAffix + "_any" // for a wildcard
	mostMarked = 63 - len(markAffix)
)

// MarkName returns the owner of the mark of name in zone, both fully qualified
// and in lower case. It stands beside the name and never below it, where it
// would make a name exist that is none yet (RFC 4592 §2.2.2):
//
//	name                  mark
//	www.example.com.      _shunt-www.example.com.
//	example.com.          _shunt.example.com.        the zone itself
//	*.shop.example.com.   _shunt-_any.shop.example.com.
//	a label of 57 octets  _shunt- and 32 digits of its SHA-256
func MarkName(name, zone string) string {
	if name == zone {
		return markLabel + "." + strings.TrimPrefix(zone, ".")
	}
	label, rest := cut(name)
	switch {
	case label == "*":
		return anyLabel + rest
	case len(label) > mostMarked:
		sum := sha256.Sum256([]byte(label))
		return markAffix + hex.EncodeToString(sum[:16]) + rest
	}
	return markAffix + label + rest
}

// cut parts the first label of name from the rest, which begins with a dot.
func cut(name string) (label, rest string) {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '.':
			return name[:i], name[i:]
		}
	}
	return name, "."
}
