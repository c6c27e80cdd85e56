//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

const (
	origin      = "bench.test."
	delegations = 1000
	digits      = 7 // of the number in a name, so that all names of a work are equally long
)

// The three paths of the steered names, in the order of preference, and their
// weights in percent. A web server of ours answers the probes on each.
var (
	paths   = [3]string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}
	weights = [3]int{60, 30, 10}
)

// A work is one kind of question, asked of several servers.
type work struct {
	key   string // names it in flags
	title string
	ask   question
	rate  int // queries a second, at even spacing; 0: as many as the server answers
	tcp   transport
	need  ability
	goals map[string]float64 // by server: the most that shunt's CPU per answer over its shall be
}

type transport int

const (
	udp transport = iota
	pipelined
	single // one query on each connection
)

// An ability is what a peer must have to take part in a work.
type ability int

const (
	fixed       ability = 1 << iota // answers the same, whatever was asked
	static                          // answers from a zone file
	steered                         // probes paths and answers by their health
	placed                          // the same, in an order that depends on where the client is
	crowd                           // the same, for many names, under load
	transferred                     // gives its zone away by AXFR, where a site is open
)

// A question is a packed query whose name may hold a number, drawn anew for
// each query, and what the answer must look like.
type question struct {
	packet  []byte
	at      int    // offset of the number's first digit; 0: a fixed name
	client  int    // offset of the network in a Client Subnet option (RFC 7871), drawn anew likewise; 0: there is none
	span    uint32 // numbers are below it
	rcode   byte
	answers byte // records in the answer section
	refer   bool // a delegation: name servers and glue, no AA
}

const (
	typeA   = 1
	typeTXT = 16
)

// ask returns the question for name, in which %d stands for a number below
// span, with EDNS of 1232 octets and no options (RFC 6891).
func ask(name string, span int, qtype uint16, rcode, answers byte) question {
	q := question{span: uint32(span), rcode: rcode, answers: answers}
	before, _, found := strings.Cut(name, "%d")
	if found {
		q.at = 12 + 1 + len(before)
		name = strings.Replace(name, "%d", strings.Repeat("0", digits), 1)
	}
	p := []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		p = append(p, byte(len(label)))
		p = append(p, label...)
	}
	p = append(p, 0)
	p = binary.BigEndian.AppendUint16(p, qtype)
	p = append(p, 0, 1)
	p = append(p, 0, 0, 41, 1232>>8, 1232&0xff, 0, 0, 0, 0, 0, 0)
	q.packet = p
	return q
}

// askFrom is ask for a fixed name, with a Client Subnet option: number n asks
// as network n of the clients.
func askFrom(name string, qtype uint16, answers byte) question {
	q := ask(name, clients, qtype, 0, answers)
	option := []byte{0, 8, 0, 7, 0, 1, 24, 0, 0, 0, 0}
	q.packet[len(q.packet)-1] = byte(len(option))
	q.packet = append(q.packet, option...)
	q.client = len(q.packet) - 3
	return q
}

// write puts the query with this ID and number n into buf and returns its length.
func (q *question) write(buf []byte, id uint16, n uint32) int {
	size := copy(buf, q.packet)
	binary.BigEndian.PutUint16(buf, id)
	if q.at > 0 {
		n %= q.span
		for i := q.at + digits - 1; i >= q.at; i-- {
			buf[i] = '0' + byte(n%10)
			n /= 10
		}
	}
	if q.client > 0 {
		n = network(n % q.span)
		buf[q.client], buf[q.client+1], buf[q.client+2] = byte(n>>16), byte(n>>8), byte(n)
	}
	return size
}

// right says whether the reply p has the rcode and the number of records that
// the question expects. It does not read the records: verify does, once.
func (q *question) right(p []byte) bool {
	return len(p) >= 12 && p[2]&0x80 != 0 && p[3]&15 == q.rcode && p[6] == 0 && p[7] == q.answers
}

// works returns the rows of the report for a zone of n names.
func works(n int) []work {
	names := ask("h%d."+origin, n, typeA, 0, 1)
	refer := ask("www.d%d."+origin, delegations, typeA, 0, 0)
	refer.refer = true
	sockets := map[string]float64{"gdnsd": 1, "knot": 0.85, "nsd": 0.85, "bare C": 1.12}
	level := map[string]float64{"gdnsd": 1}
	waiting := map[string]float64{"gdnsd": 1.05}
	steering := map[string]float64{"gdnsd": 1, "pdns LUA": 0.02, "pdns LUA shared": 0.15}
	return []work{
		{key: "static", title: fmt.Sprintf("%s names", thousands(n)), ask: names, need: static | fixed, goals: sockets},
		{key: "nxdomain", title: "NXDOMAIN", ask: ask("x%d."+origin, 10_000_000, typeA, 3, 0), need: static, goals: level},
		{key: "nodata", title: "NODATA", ask: ask("h%d."+origin, n, typeTXT, 0, 0), need: static, goals: level},
		{key: "wildcard", title: "wildcard", ask: ask("w%d.wild."+origin, 10_000_000, typeA, 0, 1), need: static, goals: level},
		{key: "referral", title: "referral", ask: refer, need: static, goals: level},
		{key: "refused", title: "REFUSED", ask: ask("x%d.elsewhere.test.", 10_000_000, typeA, 5, 0), need: static, goals: level},
		{key: "failover", title: "failover by health", ask: ask("fo."+origin, 1, typeA, 0, 1), need: steered, goals: steering},
		{key: "weighted", title: "weighted", ask: ask("we."+origin, 1, typeA, 0, 1), need: steered, goals: steering},
		{key: "geo", title: "by country, of clients everywhere", ask: askFrom("ge."+origin, typeA, 1), need: placed, goals: level},
		{key: "5k", title: "5,000 qps offered", ask: names, rate: 5000, need: static | fixed, goals: waiting},
		{key: "20k", title: "20,000 qps offered", ask: names, rate: 20000, need: static | fixed, goals: waiting},
		{key: "tcp", title: "TCP, pipelined", ask: names, tcp: pipelined, need: static, goals: level},
		{key: "tcp1", title: "TCP, a connection each", ask: names, tcp: single, need: static, goals: map[string]float64{"gdnsd": 1.1}},
	}
}

// thousands writes n with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// address returns the data of the name with number i.
func address(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255) }

// marker returns the address of "now" in the zone with this serial, by which a
// reload is seen.
func marker(serial int) string { return fmt.Sprintf("192.0.2.%d", serial%250+1) }

// writeZone writes the master file of the zone with n names, whose records
// have this TTL in seconds. extra holds the lines that a server needs to steer.
func writeZone(w io.Writer, n, serial, ttl int, extra string) error {
	b := bufio.NewWriterSize(w, 1<<16)
	fmt.Fprintf(b, "$ORIGIN %s\n$TTL %d\n@ SOA ns1 host %d 7200 900 1209600 300\n", origin, ttl, serial)
	fmt.Fprintf(b, "@ NS ns1\n@ NS ns2\nns1 A 192.0.2.53\nns2 A 198.51.100.53\nnow A %s\n*.wild A 192.0.2.80\n", marker(serial))
	for i := range delegations {
		fmt.Fprintf(b, "d%07d NS ns1.d%07d\nns1.d%07d A 203.0.113.%d\n", i, i, i, i%250+1)
	}
	for i := range n {
		fmt.Fprintf(b, "h%07d A %s\n", i, address(i))
	}
	b.WriteString(extra)
	return b.Flush()
}

// writeSmall writes the master file of a zone of n records that nobody asks
// for.
func writeSmall(w io.Writer, name string, n int) error {
	b := bufio.NewWriterSize(w, 1<<16)
	fmt.Fprintf(b, "$ORIGIN %s.\n$TTL 300\n@ SOA ns1 host 1 7200 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n", name)
	for i := range n - 3 {
		fmt.Fprintf(b, "h%07d A %s\n", i, address(i))
	}
	return b.Flush()
}
