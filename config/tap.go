package config

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Tap hands on a sample of the queries and their replies. Exactly one of
// Socket, Address and File is set where it is dnstap, and File where it is a
// log.
type Tap struct {
	Name    string
	Kind    TapKind
	Socket  string  // path of the unix socket that the reader listens on, absolute
	Address string  // host:port that the reader listens on, over TCP
	File    string  // absolute
	Sample  float64 // of the queries, above 0, at most 1, the default
	Shorten bool    // clients are told of by network (IPv4 /24, IPv6 /56), without port and cookies; default true
}

// A TapKind says in what form queries are handed on.
type TapKind string

// The kinds of tap.
const (
	Dnstap   TapKind = "dnstap" // messages of dnstap.info, in frame streams
	QueryLog TapKind = "log"    // a line of JSON for each query
)

type rawTap struct {
	Line int32

	Name     scalar     `key:"name"`
	Dnstap   *rawDnstap `key:"dnstap"`
	Log      *rawTapLog `key:"log"`
	Sample   scalar     `key:"sample"`
	Truncate scalar     `key:"truncate_clients"`
}

type rawDnstap struct {
	Line int32

	Socket  scalar `key:"socket"`
	Address scalar `key:"address"`
	File    scalar `key:"file"`
}

type rawTapLog struct {
	Line int32

	File scalar `key:"file"`
}

// taps makes the taps. What is wrong in one hides nothing in another.
func (r *reader) taps(list []rawTap, dir string) []Tap {
	var out []Tap
	seen, files := map[string]place{}, map[string]scalar{}
	for i := range list {
		p, raw := top("taps").item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		t := Tap{
			Name:    r.label(p.sub("name"), raw.Name, ""),
			Sample:  r.share(p.sub("sample"), raw.Sample, 1, 0.001, 100),
			Shorten: r.yes(p.sub("truncate_clients"), raw.Truncate, true),
		}
		if raw.Name.missing() {
			r.problem(p, at(raw.Line), "the tap has no name", "write name: NAME, by which metrics call it")
		}
		r.tapKind(p, raw, &t, dir, files)
		r.named(p, raw.Name, seen, t.Name, len(out))
		out = append(out, t)
	}
	return out
}

// tapKind reads the one kind of a tap. No two may write to one of files.
func (r *reader) tapKind(p path, raw *rawTap, t *Tap, dir string, files map[string]scalar) {
	switch {
	case raw.Dnstap != nil && raw.Log != nil:
		r.problem(p, at(raw.Line), "a tap is one output, not dnstap and log", "write a tap for each")
	case raw.Dnstap == nil && raw.Log == nil:
		r.problem(p, at(raw.Line), "the tap does not say what it is", "write dnstap: {socket: PATH} or log: {file: PATH}")
	case raw.Log != nil:
		t.Kind = QueryLog
		if raw.Log.Line > 0 && raw.Log.File.missing() {
			r.problem(p.sub("log"), at(raw.Log.Line), "the log has no file", "write file: PATH")
		}
		t.File = r.tapFile(p.sub("log").sub("file"), raw.Log.File, dir, files)
	default:
		t.Kind = Dnstap
		r.dnstap(p.sub("dnstap"), raw.Dnstap, t, dir, files)
	}
}

// dnstap reads where the messages of a tap go.
func (r *reader) dnstap(p path, raw *rawDnstap, t *Tap, dir string, files map[string]scalar) {
	given := 0
	for _, s := range []scalar{raw.Socket, raw.Address, raw.File} {
		if !s.missing() {
			given++
		}
	}
	if given != 1 && raw.Line > 0 {
		r.problem(p, at(raw.Line), "dnstap goes to exactly one place", "write one of socket: PATH, address: HOST:PORT and file: PATH")
	}
	if raw.Socket.set() {
		t.Socket = r.tapPath(p.sub("socket"), raw.Socket, dir)
	}
	t.File = r.tapFile(p.sub("file"), raw.File, dir, files)
	if raw.Address.set() {
		host, port, err := net.SplitHostPort(raw.Address.text)
		n, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || bad != nil || n == 0 {
			r.problem(p.sub("address"), raw.Address, clip(raw.Address.text)+" is not a host with a port", "write it as in 127.0.0.1:6000 or collector.example.net:6000")
			return
		}
		t.Address = strings.Clone(raw.Address.text)
	}
}

// tapPath reads a path that must not be empty.
func (r *reader) tapPath(p path, s scalar, dir string) string {
	if s.text == "" {
		r.problem(p, s, "the path is empty", "write one, or leave the tap out")
		return ""
	}
	return r.filePath(p, s, dir)
}

// tapFile reads the file of a tap, which is no other tap's.
func (r *reader) tapFile(p path, s scalar, dir string, files map[string]scalar) string {
	if !s.set() {
		return ""
	}
	file := r.tapPath(p, s, dir)
	if first, ok := files[file]; ok && file != "" {
		r.problem(p, s, "the tap in line "+strconv.Itoa(int(first.line))+" writes to this file already", "give each its own")
	}
	files[file] = s
	r.tapped = append(r.tapped, tapped{p, s, file})
	return file
}

// A tapped is a file of a tap, and where it is named.
type tapped struct {
	path path
	said scalar
	file string // absolute; "": it is none
}

// tapFolders reports the files of taps whose folder is not there: they could
// never be written.
func (r *reader) tapFolders() {
	for _, t := range r.tapped {
		if t.file == "" {
			continue
		}
		if _, err := os.Stat(filepath.Dir(t.file)); errors.Is(err, fs.ErrNotExist) {
			r.problem(t.path, t.said, "there is no folder "+filepath.Dir(t.file), "make it, and let the node write there")
		}
	}
}
