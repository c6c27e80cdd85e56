package tap

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
)

// A file is one that is written to, and that others may move away.
type file struct {
	path   string
	fresh  bool // one that is there is moved aside, instead of written on
	f      *os.File
	info   fs.FileInfo
	looked time.Time
}

// open opens it for writing. Only its owner and group may read it.
func (f *file) open() (*os.File, error) {
	if f.fresh {
		if info, err := os.Stat(f.path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			if err := os.Rename(f.path, f.path+"-"+time.Now().UTC().Format("20060102T150405.000")); err != nil {
				return nil, err
			}
		}
	}
	w, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	if f.info, err = w.Stat(); err != nil {
		w.Close()
		return nil, err
	}
	f.f, f.looked = w, time.Now()
	return w, nil
}

// moved reports, looking once a second, whether another file or none has its
// name now.
func (f *file) moved() bool {
	now := time.Now()
	if f.f == nil || now.Sub(f.looked) < time.Second {
		return f.f == nil
	}
	f.looked = now
	info, err := os.Stat(f.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, f.info)
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// Lines are a file with a line of JSON for each query.
type lines struct {
	file file
	buf  *bufio.Writer
}

func newLines(d config.Tap) *lines {
	return &lines{file: file{path: d.File}}
}

// A line is one query. Its JSON names are part of the interface.
type line struct {
	At        string `json:"at"` // RFC 3339, UTC
	Client    string `json:"client"`
	Transport string `json:"transport"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Rcode     string `json:"rcode"` // "" without a reply
	Pool      string `json:"pool,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
	Size      int    `json:"size"` // octets of the reply
	Micros    int64  `json:"us"`   // until it was answered, with what was read before it
}

func (l *lines) open() error {
	if l.file.f != nil && !l.file.moved() {
		return nil
	}
	if l.file.f != nil {
		l.buf.Flush()
		l.file.close()
	}
	w, err := l.file.open()
	if err != nil {
		return err
	}
	l.buf = bufio.NewWriterSize(w, 64<<10)
	return nil
}

func (l *lines) write(r *record) error {
	if l.file.f == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	b, err := json.Marshal(lineOf(r))
	if err != nil {
		return err
	}
	_, err = l.buf.Write(append(b, '\n'))
	if err != nil {
		l.file.close()
	}
	return err
}

func (l *lines) flush() error {
	if err := l.open(); err != nil {
		return err
	}
	err := l.buf.Flush()
	if err != nil {
		l.file.close()
	}
	return err
}

func (l *lines) close() {
	if l.file.f != nil {
		l.buf.Flush()
		l.file.close()
	}
}

// lineOf draws up r.
func lineOf(r *record) line {
	l := line{At: r.at.UTC().Format("2006-01-02T15:04:05.000000Z"), Client: r.client.String(), Transport: r.transport.String(), Pool: r.pool,
		Size: len(r.reply), Micros: r.done.Sub(r.at).Microseconds()}
	if r.client.Port() == 0 {
		l.Client = r.client.Addr().String()
	}
	l.Name, l.Type = question(r.query)
	if len(r.reply) >= 12 {
		l.Rcode = rcode(r.reply[3] & 0xf)
		l.Truncated = r.reply[2]&2 != 0
	}
	return l
}

// question returns the question of msg in words; "" where it has none that can
// be read.
func question(msg []byte) (name, qtype string) {
	if len(msg) < 12 || binary.BigEndian.Uint16(msg[4:]) != 1 {
		return "", ""
	}
	var b strings.Builder
	at := 12
	for at < len(msg) && msg[at] != 0 {
		n := int(msg[at])
		if n > 63 || at+1+n > len(msg) {
			return "", ""
		}
		for _, c := range msg[at+1 : at+1+n] {
			escape(&b, c)
		}
		b.WriteByte('.')
		at += 1 + n
	}
	if at+3 > len(msg) {
		return "", ""
	}
	if b.Len() == 0 {
		b.WriteByte('.')
	}
	return b.String(), typeName(binary.BigEndian.Uint16(msg[at+1:]))
}

// escape writes one octet of a label as in master files (RFC 1035 §5.1).
func escape(b *strings.Builder, c byte) {
	switch {
	case c == '.' || c == '\\' || c == '"':
		b.WriteByte('\\')
		b.WriteByte(c)
	case c < '!' || c > '~':
		fmt.Fprintf(b, "\\%03d", c)
	default:
		b.WriteByte(c)
	}
}

// typeName returns the mnemonic of the types that are asked for, and others as
// RFC 3597 §5 has them.
func typeName(t uint16) string {
	switch t {
	case 1:
		return "A"
	case 2:
		return "NS"
	case 5:
		return "CNAME"
	case 6:
		return "SOA"
	case 12:
		return "PTR"
	case 15:
		return "MX"
	case 16:
		return "TXT"
	case 28:
		return "AAAA"
	case 33:
		return "SRV"
	case 43:
		return "DS"
	case 48:
		return "DNSKEY"
	case 64:
		return "SVCB"
	case 65:
		return "HTTPS"
	case 251:
		return "IXFR"
	case 252:
		return "AXFR"
	case 255:
		return "ANY"
	case 257:
		return "CAA"
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// rcode returns the mnemonic of the four bits of a header.
func rcode(n byte) string {
	names := [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"}
	if int(n) < len(names) {
		return names[n]
	}
	return "RCODE" + strconv.Itoa(int(n))
}
