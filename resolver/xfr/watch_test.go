package xfr

import (
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// A double plays a secondary: it answers NOTIFY and questions for SOAs as it
// is told to, and takes zones.
type double struct {
	t       testing.TB
	conn    net.PacketConn
	at      netip.AddrPort
	primary string // where it takes zones

	mu       sync.Mutex
	drop     int  // messages that are lost from now on
	deaf     bool // all of them are
	lazy     bool // it takes nothing
	unsigned bool
	serials  map[string]uint32
	notified []time.Time
	forged   bool // wrong answers come before the right one
	bare     bool // nothing that comes may be signed
}

func newDouble(t testing.TB) *double {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &double{t: t, conn: conn, at: netip.MustParseAddrPort(conn.LocalAddr().String()), serials: map[string]uint32{}}
	over := make(chan struct{})
	go func() { defer close(over); d.serve() }()
	t.Cleanup(func() { conn.Close(); <-over })
	return d
}

// serve answers until the socket is closed.
func (d *double) serve() {
	text := base64.StdEncoding.EncodeToString([]byte(secret))
	buf := make([]byte, 4096)
	for {
		n, from, err := d.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m := new(dns.Msg)
		if m.Unpack(buf[:n]) != nil {
			d.t.Error("what came is no message")
			return
		}
		mac := ""
		if rr := m.IsTsig(); rr != nil {
			mac = rr.MAC
			d.mu.Lock()
			if d.bare {
				d.t.Error("a question to where clients are answered is signed")
			}
			d.mu.Unlock()
			if err := dns.TsigVerify(append([]byte(nil), buf[:n]...), text, "", false); err != nil {
				d.t.Errorf("%s is not signed well: %v", dns.OpcodeToString[m.Opcode], err)
			}
		}
		reply := d.answer(m)
		if reply == nil {
			continue
		}
		d.mu.Lock()
		forged, unsigned := d.forged, d.unsigned
		d.mu.Unlock()
		if forged {
			wrong := reply.Copy()
			wrong.Id++
			d.write(wrong, "", from)
			wrong = reply.Copy()
			wrong.Question[0].Name = "other.test."
			d.write(wrong, "", from)
		}
		if unsigned {
			mac = ""
		}
		d.write(reply, mac, from)
	}
}

func (d *double) write(m *dns.Msg, mac string, to net.Addr) {
	var out []byte
	var err error
	if mac != "" {
		m.SetTsig("k.test.", dns.HmacSHA256, 300, time.Now().Unix())
		out, _, err = dns.TsigGenerate(m, base64.StdEncoding.EncodeToString([]byte(secret)), mac, false)
	} else {
		out, err = m.Pack()
	}
	if err == nil {
		_, err = d.conn.WriteTo(out, to)
	}
	if err != nil {
		d.t.Error(err)
	}
}

// answer returns the answer to m; nil: it is lost.
func (d *double) answer(m *dns.Msg) *dns.Msg {
	d.mu.Lock()
	defer d.mu.Unlock()
	origin := m.Question[0].Name
	if m.Opcode == dns.OpcodeNotify {
		d.notified = append(d.notified, time.Now())
	}
	if d.deaf || d.drop > 0 {
		d.drop--
		return nil
	}
	reply := new(dns.Msg).SetReply(m)
	if m.Opcode == dns.OpcodeNotify {
		if soa, ok := m.Answer[0].(*dns.SOA); !ok || !m.Authoritative || soa.Hdr.Name != origin {
			d.t.Errorf("NOTIFY: %v", m)
		}
		if !d.lazy {
			signed := m.IsTsig() != nil
			go func() {
				rrs, err := takeFrom(d.primary, origin, nil, signed)
				if err != nil {
					d.t.Errorf("AXFR after NOTIFY: %v", err)
					return
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				d.serials[origin] = rrs[0].(*dns.SOA).Serial
			}()
		}
		return reply
	}
	serial, ok := d.serials[origin]
	if !ok {
		return reply.SetRcode(m, dns.RcodeRefused)
	}
	reply.Authoritative = true
	reply.Answer = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: origin, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.", Mbox: "hm.", Serial: serial}}
	return reply
}

// set changes d.
func (d *double) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// follower is a configuration with d as the only secondary.
func follower(d *double, key string) *config.Config {
	return &config.Config{
		Keys:        []config.Key{testKey("hmac-sha256")},
		Transfer:    config.Transfer{Journal: 10, Behind: time.Second},
		Secondaries: []config.Secondary{{Name: "two", Address: d.at, Key: key, Notify: true}},
	}
}

// TestNotify: a secondary is told of a change at once, takes it, and is seen to
// serve it.
func TestNotify(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "k.test."} {
		d := newDouble(t)
		d.set(func() { d.forged = true })
		w := newWorld(t, t.TempDir(), follower(d, key))
		d.set(func() { d.primary = w.addr.String(); d.serials["example.test."] = 0 })
		set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
		w.publishSet(set, 1, 10)
		w.until("the secondary is in step", func() bool { return w.p.Status()[0].State == InStep })
		d.set(func() { d.notified = nil })
		began := time.Now()
		w.publishSet(set, 2, 11)
		w.until("NOTIFY comes", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return len(d.notified) > 0 })
		if took := time.Since(began); took > time.Second {
			t.Errorf("NOTIFY took %v", took)
		}
		w.until("it serves the change", func() bool {
			s := w.p.Status()[0]
			return s.State == InStep && *s.ZonesSeen[0].Seen == 11
		})
		s := w.p.Status()[0]
		if s.Lag != 0 || s.Behind != 0 || s.CaughtUp <= 0 || s.CaughtUp > 2 || s.Transfer == nil || s.Transfer.Serial != 11 || s.Error != "" {
			t.Errorf("%+v", s)
		}
		time.Sleep(300 * time.Millisecond)
		d.set(func() {
			if len(d.notified) != 1 {
				t.Errorf("told %d times of one change", len(d.notified))
			}
		})
		w.until("the transfer is an event", func() bool {
			select {
			case e := <-w.events:
				return strings.Contains(e.What, "two took example.test. at serial 11")
			default:
				return false
			}
		})
	}
}

// TestNotifyLost: NOTIFY is repeated until it is answered.
func TestNotifyLost(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	w := newWorld(t, t.TempDir(), follower(d, "k.test."))
	d.set(func() { d.primary = w.addr.String(); d.serials["example.test."] = 0 })
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	w.publishSet(set, 1, 10)
	w.until("in step", func() bool { return w.p.Status()[0].State == InStep })
	d.set(func() { d.drop, d.notified = 2, nil })
	w.publishSet(set, 2, 11)
	w.until("in step again", func() bool { s := w.p.Status()[0]; return s.State == InStep && *s.ZonesSeen[0].Seen == 11 })
	d.set(func() {
		if len(d.notified) < 2 || d.notified[1].Sub(d.notified[0]) > tellSoon-answerWait/2 {
			t.Errorf("NOTIFY came %d times: %v", len(d.notified), d.notified)
		}
	})
}

// TestBehind: a secondary that does not follow is told of, and so is its
// coming back; and one that cannot be asked.
func TestBehind(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	w := newWorld(t, t.TempDir(), follower(d, "k.test."))
	d.set(func() { d.primary = w.addr.String(); d.serials["example.test."] = 9; d.lazy = true })
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	w.publishSet(set, 1, 10)
	condition := func(words ...string) func() bool {
		return func() bool {
			list := w.p.Conditions()
			for _, word := range words {
				if len(list) != 1 || list[0].Code != "secondary-behind" || list[0].Subject != "two" || !strings.Contains(list[0].What, word) {
					return false
				}
			}
			return len(words) > 0 || len(list) == 0
		}
	}
	said := func(what string) {
		t.Helper()
		select {
		case e := <-w.events:
			if e.What != "two "+what {
				t.Errorf("the event is %q, want two %s", e.What, what)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("no event: two %s", what)
		}
	}
	if len(w.p.Conditions()) != 0 {
		t.Error("an alarm at once")
	}
	w.until("it is behind", condition("example.test.", "serial 9 instead of 10"))
	said("fell behind")
	if s := w.p.Status()[0]; s.State != Behind || s.Behind != 1 || s.Lag < 1 {
		t.Errorf("%+v", s)
	}
	d.set(func() { d.serials["example.test."] = 10 })
	w.until("it is not", condition())
	said("caught up")
	d.set(func() { d.serials["example.test."] = 11 })
	w.publishSet(set, 2, 12)
	d.set(func() { d.serials["example.test."] = 13 })
	w.until("its serial is later", condition("later than ours"))
	said("fell behind")
	d.set(func() { d.serials["example.test."] = 12; d.unsigned = true })
	w.until("it does not sign", condition("not signed"))
	d.set(func() { d.unsigned = false; delete(d.serials, "example.test.") })
	w.until("it refuses", condition("REFUSED"))
	d.set(func() { d.deaf = true })
	w.until("it is silent", condition("no answer within 1s"))
	d.set(func() { d.deaf = false; d.serials["example.test."] = 12 })
	w.until("it is not", condition())
	said("caught up")
}

// TestServes: a secondary that answers elsewhere than it is told is asked
// there, as any client asks.
func TestServes(t *testing.T) {
	t.Parallel()
	told, serves := newDouble(t), newDouble(t)
	cfg := follower(told, "k.test.")
	cfg.Secondaries[0].Serves = serves.at
	w := newWorld(t, t.TempDir(), cfg)
	told.set(func() { told.primary = w.addr.String() })
	serves.set(func() { serves.serials["example.test."] = 10; serves.bare = true })
	set := zone.NewSet([]*zone.Zone{testZone(t, "example.test.", "")})
	w.publishSet(set, 1, 10)
	w.until("in step", func() bool { return w.p.Status()[0].State == InStep })
	w.publishSet(set, 2, 11)
	w.until("it is told", func() bool { told.mu.Lock(); defer told.mu.Unlock(); return len(told.notified) > 0 })
	w.until("it is behind", func() bool { return w.p.Status()[0].State == Behind })
	serves.set(func() { serves.serials["example.test."] = 11 })
	w.until("in step again", func() bool { return w.p.Status()[0].State == InStep })
	serves.set(func() {
		if len(serves.notified) > 0 {
			t.Error("NOTIFY went to where clients are answered")
		}
	})
}
