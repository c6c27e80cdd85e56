package xfr

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"net/netip"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/resolver/zone"
)

// TestSignatures: what we sign, the library verifies, and the other way round.
func TestSignatures(t *testing.T) {
	t.Parallel()
	now := time.Now()
	text := base64.StdEncoding.EncodeToString([]byte(secret))
	for algorithm, size := range map[string]func() hash.Hash{"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New} {
		k, err := newKey(testKey(algorithm))
		if err != nil || k.hash().Size() != size().Size() {
			t.Fatal(algorithm, err)
		}
		m := new(dns.Msg).SetQuestion("example.test.", dns.TypeSOA)
		wire, _ := m.Pack()
		signed, _ := k.sign(slices.Clone(wire), nil, false, now)
		if err := dns.TsigVerify(slices.Clone(signed), text, "", false); err != nil {
			t.Errorf("%s: ours: %v", algorithm, err)
		}
		m.SetTsig("K.test.", algorithm+".", 300, now.Unix())
		theirs, _, err := dns.TsigGenerate(m, text, "", false)
		if err != nil {
			t.Fatal(err)
		}
		bare, rr, err := split(theirs)
		if err != nil || string(bare) != string(wire) {
			t.Fatalf("%s: split: %x, %v; want %x", algorithm, bare, err, wire)
		}
		if got := (keyring{"k.test.": k}).find(rr); got != k {
			t.Errorf("%s: key not found by %v", algorithm, rr)
		}
		if _, rcode, code := k.verify(bare, rr, nil, now); rcode != 0 {
			t.Errorf("%s: theirs: %d %d", algorithm, rcode, code)
		}
	}
}

// TestBadSignatures: what is no good is told so, over UDP and TCP, in the way
// of RFC 8945 §5.2.
func TestBadSignatures(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Keys: []config.Key{testKey("hmac-sha256")},
		Secondaries: []config.Secondary{{Name: "a", Address: netip.MustParseAddrPort("127.0.0.2:9"), Key: "k.test."}}}
	w := newWorld(t, t.TempDir(), cfg)
	w.publish([]*zone.Zone{testZone(t, "example.test.", "")}, 1, 5)
	right := base64.StdEncoding.EncodeToString([]byte(secret))
	wrong := base64.StdEncoding.EncodeToString([]byte("another"))
	now := time.Now()
	for _, c := range []struct {
		name, key, secret string
		at                time.Time
		cut               int
		change            bool
		want              string // rcode, TSIG error, whether the answer is signed
	}{
		{"good", "k.test.", right, now, 0, false, "NOERROR 0 signed"},
		{"another case", "K.TEST.", right, now, 0, false, "NOERROR 0 signed"},
		{"a clock 4 minutes slow", "k.test.", right, now.Add(-4 * time.Minute), 0, false, "NOERROR 0 signed"},
		{"a wrong secret", "k.test.", wrong, now, 0, false, "NOTAUTH 16 bare"},
		{"changed on its way", "k.test.", right, now, 0, true, "NOTAUTH 16 bare"},
		{"an unknown key", "other.test.", right, now, 0, false, "NOTAUTH 17 bare"},
		{"a clock 6 minutes slow", "k.test.", right, now.Add(-6 * time.Minute), 0, false, "NOTAUTH 18 signed"},
		{"a clock 6 minutes fast", "k.test.", right, now.Add(6 * time.Minute), 0, false, "NOTAUTH 18 signed"},
		{"a wrong secret and clock", "k.test.", wrong, now.Add(time.Hour), 0, false, "NOTAUTH 16 bare"},
		{"cut to half", "k.test.", right, now, 16, false, "NOTAUTH 22 signed"},
		{"cut to less", "k.test.", right, now, 15, false, "FORMERR"},
		{"no MAC", "k.test.", right, now, -1, false, "FORMERR"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			for _, qtype := range []uint16{dns.TypeSOA, dns.TypeAXFR} {
				if network == "udp" && qtype == dns.TypeAXFR {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, network, dns.Type(qtype)), func(t *testing.T) {
					m := new(dns.Msg).SetQuestion("example.test.", qtype)
					m.SetTsig(c.key, dns.HmacSHA256, 300, c.at.Unix())
					msg, mac, err := dns.TsigGenerate(m, c.secret, "", false)
					if err != nil {
						t.Fatal(err)
					}
					if c.cut != 0 {
						msg = shortened(t, msg, max(0, c.cut))
					}
					if c.change {
						msg[3] ^= 0x10 // CD
					}
					got := strings.Join(strings.Fields(verdict(t, w.addr.String(), network, msg, mac, now)), " ")
					if !strings.HasPrefix(got, c.want) {
						t.Errorf("%s, want %s", got, c.want)
					}
				})
			}
		}
	}
}

// shortened returns msg with n octets of its MAC.
func shortened(t *testing.T, msg []byte, n int) []byte {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatal(err)
	}
	rr := m.IsTsig()
	rr.MAC, rr.MACSize = rr.MAC[:2*n], uint16(n)
	out, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verdict sends msg and says what came back: rcode, TSIG error and whether the
// answer is signed as it must be.
func verdict(t *testing.T, addr, network string, msg []byte, mac string, now time.Time) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	conn := &dns.Conn{Conn: c}
	if _, err := conn.Write(msg); err != nil {
		t.Fatal(err)
	}
	reply, err := conn.ReadMsgHeader(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatal(err)
	}
	rcode := dns.RcodeToString[m.Rcode]
	rr := m.IsTsig()
	if rr == nil {
		return rcode
	}
	if rr.MACSize == 0 {
		return fmt.Sprintf("%s %d bare", rcode, rr.Error)
	}
	if rr.Error == badTime && len(rr.OtherData) != 12 {
		t.Errorf("BADTIME tells no time: %q", rr.OtherData)
	}
	k, err := newKey(testKey("hmac-sha256"))
	if err != nil {
		t.Fatal(err)
	}
	bare, rr, err := split(reply)
	if err != nil {
		t.Fatal(err)
	}
	prior, _ := decodeHex(mac)
	if rr.Error == badTrunc {
		prior = prior[:16]
	}
	signer := now
	if rr.Error == badTime {
		signer = time.Unix(int64(rr.TimeSigned), 0) // of the request
	}
	if _, code, why := k.verify(bare, rr, prior, signer); code != 0 {
		return fmt.Sprintf("%s %d signed wrongly: %d %d", rcode, rr.Error, code, why)
	}
	return fmt.Sprintf("%s %d signed", rcode, rr.Error)
}
