//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// An axfr is what it takes to hand out a whole zone over TCP (RFC 5936), to a
// client that reads as fast as it can; a value each time.
type axfr struct {
	names  int
	took   map[string][]time.Duration // from the connection to the last octet
	cpu    map[string][]time.Duration // of the server, for a record
	octets map[string]int             // of the stream
}

// axfrLimit is the longest that a transfer may take.
const axfrLimit = time.Minute

const (
	typeSOA  = 6
	typeAXFR = 252
)

// transfers measures the transfer of a large zone out of every server that has
// them, one server at a time.
func (l *lab) transfers(ctx context.Context, o options, r *report) error {
	n := 100_000
	switch {
	case o.short:
		n = 20_000
	case o.big:
		n = 1_000_000
	}
	say("AXFR of %s names", thousands(n))
	r.axfr = &axfr{names: n, took: map[string][]time.Duration{}, cpu: map[string][]time.Duration{}, octets: map[string]int{}}
	l.open = true
	defer func() { l.open = false }()
	for _, p := range l.peers {
		if p.can&transferred == 0 {
			continue
		}
		if err := l.transferOut(ctx, p, max(1, min(o.rounds, 3)), r.axfr); err != nil {
			return err
		}
	}
	return nil
}

// transferOut starts one server and takes the zone times times.
func (l *lab) transferOut(ctx context.Context, p peer, times int, a *axfr) error {
	s, err := l.prepare(p, a.names)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.launch(l); err != nil {
		return err
	}
	if err := await(ctx, works(a.names)[0], s, time.Minute); err != nil {
		return err
	}
	for range times {
		before, began := s.proc.cpu(), time.Now()
		records, octets, err := takeZone(ctx, s.port)
		took := time.Since(began)
		if err == nil && records < a.names {
			err = fmt.Errorf("%d records", records)
		}
		if err != nil {
			return fmt.Errorf("%s, AXFR: %w\n%s", p.name, err, s.proc.tail())
		}
		a.took[p.name] = append(a.took[p.name], took)
		a.cpu[p.name] = append(a.cpu[p.name], spent(before, s.proc.cpu())/time.Duration(records))
		a.octets[p.name] = octets
	}
	return nil
}

// takeZone takes the zone by AXFR and returns how many records and octets that
// was, both with the SOA record at the end.
func takeZone(ctx context.Context, port int) (records, octets int, err error) {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(axfrLimit))
	q := ask(origin, 1, typeAXFR, 0, 0)
	buf := make([]byte, 2+1<<16)
	n := q.write(buf[2:], 1, 0)
	binary.BigEndian.PutUint16(buf, uint16(n))
	if _, err := c.Write(buf[:2+n]); err != nil {
		return 0, 0, err
	}
	in := bufio.NewReaderSize(c, 1<<18)
	for soas := 0; soas < 2; {
		if _, err := io.ReadFull(in, buf[:2]); err != nil {
			return records, octets, err
		}
		m := buf[2 : 2+int(binary.BigEndian.Uint16(buf))]
		if _, err := io.ReadFull(in, m); err != nil {
			return records, octets, err
		}
		all, some, err := countRecords(m)
		if err != nil {
			return records, octets, err
		}
		records, soas, octets = records+all, soas+some, octets+2+len(m)
	}
	return records, octets, nil
}

var errMessage = errors.New("a message of the transfer cannot be read")

// countRecords returns how many records the answer section of m has, and how
// many of them are SOA.
func countRecords(m []byte) (all, soas int, err error) {
	if len(m) < 12 || m[3]&15 != 0 {
		return 0, 0, errMessage
	}
	questions, answers := binary.BigEndian.Uint16(m[4:]), binary.BigEndian.Uint16(m[6:])
	at := 12
	for range questions {
		at = skipName(m, at) + 4
	}
	for range answers {
		at = skipName(m, at)
		if at+10 > len(m) {
			return all, soas, errMessage
		}
		if binary.BigEndian.Uint16(m[at:]) == typeSOA {
			soas++
		}
		at += 10 + int(binary.BigEndian.Uint16(m[at+8:]))
		all++
	}
	if at > len(m) {
		return all, soas, errMessage
	}
	return all, soas, nil
}

// skipName returns where the name at at ends; beyond m where it does not.
func skipName(m []byte, at int) int {
	for at < len(m) {
		switch n := int(m[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0: // a pointer ends it
			return at + 2
		default:
			at += 1 + n
		}
	}
	return at
}
