package controller

import (
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A numbered is the latest content of a zone that was given a serial.
type numbered struct {
	Serial uint32     `json:"serial"`       // never 0
	Key    contentKey `json:"key,omitzero"` // zero: nobody knows what had this serial
}

// A contentKey names a content. Its text is hexadecimal.
type contentKey [16]byte

func (k contentKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

func (k *contentKey) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(k)) {
		return fmt.Errorf("a content's key has %d digits, not %d", len(text), hex.EncodedLen(len(k)))
	}
	_, err := hex.Decode(k[:], text)
	return err
}

// leap is how far serials leap over those that a process may have given out one
// by one, or by the clock, and not saved: it dies within saveEvery of the last
// save, and gives no zone so many meanwhile.
const leap = 1000

// maxGone is how many zones that are no longer configured keep their serials,
// so that one that comes back goes on where it was.
const maxGone = 10_000

// first returns the serial that a zone begins with: that of its file, or the
// time at now where that is higher by RFC 1982 §3.2 and kind goes by it.
func first(kind config.SerialKind, file uint32, now time.Time) uint32 {
	serial := file
	if kind != config.Counter && newer(uint32(now.Unix()), file) {
		serial = uint32(now.Unix())
	}
	return max(serial, 1)
}

// next returns the serial of a content that follows one with serial last:
// always a newer one by RFC 1982 §3.2, and never 0, which stands for none.
//
//	kind       the newest of
//	counter    last+1, that of the file
//	unixtime   last+1, that of the file, the time at now
//
// A file or a clock that is behind last does not count.
func next(kind config.SerialKind, last, file uint32, now time.Time) uint32 {
	serial := last + 1
	if serial == 0 {
		serial = 1
	}
	clock := uint32(0)
	if kind != config.Counter {
		clock = uint32(now.Unix())
	}
	for _, s := range [...]uint32{file, clock} {
		if s != 0 && newer(s, last) && s-last > serial-last {
			serial = s
		}
	}
	return serial
}

// newer reports whether a is greater than b by RFC 1982 §3.2.
func newer(a, b uint32) bool { return a != b && a-b < 1<<31 }

// recallSerials returns the serials that s tells of. A process that ended
// without a clean save may have given out others since: those are leapt over,
// and what content the new ones begin with is open.
func recallSerials(s *State, kind config.SerialKind, now time.Time) map[string]numbered {
	out := make(map[string]numbered, len(s.Serials))
	for origin, n := range s.Serials {
		if !s.Clean {
			n = numbered{Serial: next(kind, n.Serial, n.Serial, now) + leap}
		}
		n.Serial = max(n.Serial, 1)
		out[origin] = n
	}
	return out
}

// number gives each zone its serial, by what it holds with the answers in
// steered:
//
//	the zone             its serial
//	holds what it held   stays
//	holds something else is the next
//	is new               is the first
//
// One that is further from what is saved than a crash is taken to cost is saved
// before anybody sees it. Nil: zones have those of their files, for nobody
// transfers them.
func (c *Controller) number(steered []*zone.Steered) []uint32 {
	cfg := c.loaded.Config
	if !cfg.Transfers() || c.hand {
		c.content = nil
		return nil
	}
	kind, now := cfg.Transfer.Serial, c.now()
	content := c.loaded.Set.Snapshot(c.gen, steered, nil)
	zones := c.loaded.Set.Zones()
	serials, far := make([]uint32, len(zones)), false
	for i, z := range zones {
		if content.Same(c.content, int32(i)) {
			serials[i] = c.content.Serial(int32(i))
			continue
		}
		key := content.ContentKey(int32(i), cfg.Transfer.Content)
		n, known := c.serials[z.Name()]
		is := numbered{n.Serial, key}
		switch {
		case !known:
			is.Serial, far = first(kind, z.Serial(), now), true
		case n.Key != is.Key:
			is.Serial = next(kind, n.Serial, z.Serial(), now)
			far = far || is.Serial != next(kind, n.Serial, n.Serial, now)
		}
		if is != n {
			c.serials[z.Name()] = is
		}
		serials[i] = is.Serial
	}
	c.content = c.loaded.Set.Snapshot(c.gen, steered, serials)
	c.forgetGone(zones)
	if far {
		c.saveNow()
	}
	return serials
}

// forgetGone drops the serials of zones that are gone, once they are many.
func (c *Controller) forgetGone(zones []*zone.Zone) {
	if len(c.serials) <= len(zones)+maxGone {
		return
	}
	there := make(map[string]bool, len(zones))
	for _, z := range zones {
		there[z.Name()] = true
	}
	maps.DeleteFunc(c.serials, func(origin string, _ numbered) bool { return !there[origin] })
}

// beginSerials makes sure that the state file no longer tells of a clean end
// before the first serial of this process is given out: else one that dies soon
// would have its own taken for those of the process before.
func (c *Controller) beginSerials() {
	if c.loaded.Config.Transfers() && len(c.serials) > 0 {
		c.saveNow()
	}
}
