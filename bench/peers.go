//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A site is where one server runs and what it serves.
type site struct {
	dir    string   // its configuration, state, sockets and pid files
	zone   string   // path of its master file
	others []string // zones beside it
	port   int      // on 127.0.0.1, UDP and TCP
	web    int      // port on which the paths answer probes
	open   bool     // who asks from 127.0.0.1 is given the zone
}

// where returns text where s is open, else nothing.
func (s site) where(text string) string {
	if s.open {
		return text
	}
	return ""
}

// file returns the path of the master file of one of the other zones.
func (s site) file(name string) string { return filepath.Join(filepath.Dir(s.zone), name) }

// each writes the line for each of the other zones, which has its name and
// the path of its file in it, in this order.
func (s site) each(line string) string {
	var b strings.Builder
	for _, name := range s.others {
		fmt.Fprintf(&b, line, name, s.file(name))
	}
	return b.String()
}

// A peer is a server that takes part, and how to run it with one worker.
type peer struct {
	name    string // column of the report
	command string // looked up in PATH and the sbin folders
	version []string
	can     ability
	extra   func(s site) string            // lines of the zone file by which it steers
	files   func(s site) map[string]string // its configuration, by path below dir
	argv    func(bin string, s site) []string
	reload  func(p *process, s site) error // take the changed zone file; nil: not measured
	note    string                         // for readers of the report
}

// hangup asks the server's first process to reload, as its manual says.
func hangup(p *process, _ site) error { return p.cmd.Process.Signal(unix.SIGHUP) }

// peers returns all servers of the report in its order. shunt and the bare
// responder are built for the run; their commands are paths.
func peers(shunt, bare string) []peer {
	return []peer{
		shuntPeer(shunt), gdnsdPeer(), knotPeer(), nsdPeer(), bindPeer(),
		pdnsPeer("pdns", static|transferred, ""), pdnsPeer("pdns LUA", steered, "yes"), pdnsPeer("pdns LUA shared", steered, "shared"),
		{
			name: "bare C", command: bare, can: fixed,
			argv: func(bin string, s site) []string { return []string{bin, fmt.Sprint(s.port)} },
			note: "recvmmsg, a fixed answer, sendmmsg: the cost of the sockets",
		},
		crowdPeer(shunt),
	}
}

func shuntPeer(path string) peer {
	return peer{
		name: "shunt", command: path, version: []string{"version"}, can: static | steered | placed | transferred,
		files: func(s site) map[string]string { return shuntFiles(s, "bench.test", 0) },
		argv: func(bin string, s site) []string {
			return []string{bin, "serve", "-c", filepath.Join(s.dir, "shunt.yaml")}
		},
		reload: hangup,
		note:   "sees one CPU by its affinity, so GOMAXPROCS is its own choice and it has one UDP worker",
	}
}

// shuntFiles returns the configuration of shunt: host is what its probes ask
// for, more is how many services it has beside those that are measured.
func shuntFiles(s site, host string, more int) map[string]string {
	var pools, weighted, services strings.Builder
	for i, addr := range paths {
		fmt.Fprintf(&pools, "  - {name: p%d, addresses: [%s], monitors: [web]}\n", i, addr)
		fmt.Fprintf(&weighted, "{pool: p%d, weight: %d}, ", i, weights[i])
	}
	for i := range more {
		fmt.Fprintf(&services, "      - {name: s%07d, pools: [p0, p1, p2]}\n", i)
	}
	places, policy := shuntNetworks()
	return map[string]string{"networks.yaml": places, "shunt.yaml": fmt.Sprintf(`node: {name: ns1.bench.test, state_dir: %[1]s/state}
listen: {dns: ["127.0.0.1:%[2]d"], control: %[1]s/c.sock}
monitors:
  - {name: web, http: {host: %[3]s, port: %[4]d, path: /}, interval: 1s, timeout: 1s, fall: %[5]d, rise: 1, hold_down: 0s}
places: {networks: networks.yaml}
policies:
%[10]spools:
%[6]szones:
  - name: bench.test
    file: %[7]s
    services:
      - {name: fo, pools: [p0, p1, p2], policy: failover, ttl: 30s, moves: 0}
      - {name: we, pools: [%[8]s], policy: weighted, ttl: 30s, moves: 0}
      - {name: ge, pools: [p0, p1, p2], policy: by-country, ttl: 30s, moves: 0}
%[9]s`, s.dir, s.port, host, s.web, fallShot, pools.String(), s.zone, strings.TrimSuffix(weighted.String(), ", "), services.String(), policy) +
		s.each("  - {name: %s, file: %s}\n") + s.where("transfer: {allow: [127.0.0.0/8]}\n")}
}

func gdnsdPeer() peer {
	return peer{
		name: "gdnsd", command: "gdnsd", version: []string{"-V"}, can: static | steered | placed,
		extra: func(site) string { return "fo 30 DYNA metafo!fo\nwe 30 DYNA weighted!we\nge 30 DYNA geoip!ge\n" },
		files: func(s site) map[string]string {
			var centres, items strings.Builder
			for i, addr := range paths {
				fmt.Fprintf(&centres, " p%d => { plugin => multifo, p%d => %s }", i, i, addr)
				fmt.Fprintf(&items, " p%d => [%s, %d]", i, addr, weights[i])
			}
			return map[string]string{"config": fmt.Sprintf(`options => {
  listen => 127.0.0.1
  dns_port => %d
  udp_threads => 1
  tcp_threads => 1
  tcp_clients_per_thread => 256
  run_dir => "%s/run"
  state_dir => "%s/state"
}
service_types => {
  web => { plugin => http_status, port => %d, vhost => bench.test, url_path => "/", ok_codes => [200], interval => 2, timeout => 1,
    up_thresh => 1, ok_thresh => 1, down_thresh => 1 }
}
plugins => {
  metafo => { resources => { fo => { datacenters => [p0, p1, p2], dcmap => {%s } } } }
  weighted => { we => { service_types => web, multi => false%s } }
  geoip => {
    maps => { places => { datacenters => [p0, p1, p2], nets => {
%s    } } }
    resources => { ge => { map => places, service_types => web, dcmap => { p0 => %s, p1 => %s, p2 => %s } } }
  }
}
`, s.port, s.dir, s.dir, s.web, strings.ReplaceAll(centres.String(), "plugin => multifo,", "plugin => multifo, service_types => web,"), items.String(),
				gdnsdNetworks(), paths[0], paths[1], paths[2])}
		},
		argv:   func(bin string, s site) []string { return []string{bin, "-c", s.dir, "start"} },
		reload: func(_ *process, s site) error { return control("gdnsdctl", "-c", s.dir, "reload-zones") },
		note:   "failover by metafo over one address each, so that it gives one address like the others",
	}
}

func knotPeer() peer {
	return peer{
		name: "knot", command: "knotd", version: []string{"-V"}, can: static | transferred,
		files: func(s site) map[string]string {
			return map[string]string{"knot.conf": fmt.Sprintf(`server:
  rundir: %[1]s
  pidfile: %[1]s/knot.pid
  listen: 127.0.0.1@%[2]d
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: %[1]s/state
control:
  listen: %[1]s/c.sock
%[4]stemplate:
  - id: default
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
%[5]szone:
  - domain: bench.test
    file: %[3]s
`, s.dir, s.port, s.zone, s.where("acl:\n  - id: any\n    address: 127.0.0.1\n    action: transfer\n"), s.where("    acl: any\n")) + s.each("  - domain: %s\n    file: %s\n")}
		},
		argv:   func(bin string, s site) []string { return []string{bin, "-c", s.dir + "/knot.conf"} },
		reload: hangup,
	}
}

func nsdPeer() peer {
	return peer{
		name: "nsd", command: "nsd", version: []string{"-v"}, can: static | transferred,
		files: func(s site) map[string]string {
			return map[string]string{"nsd.conf": fmt.Sprintf(`server:
  ip-address: 127.0.0.1@%[2]d
  server-count: 1
  username: ""
  zonesdir: "%[1]s"
  database: ""
  pidfile: "%[1]s/nsd.pid"
  xfrdfile: "%[1]s/xfrd.state"
  zonelistfile: "%[1]s/zone.list"
  xfrdir: "%[1]s"
  minimal-responses: yes
  tcp-count: 256
  tcp-query-count: 0
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: bench.test
  zonefile: "%[3]s"
%[4]s`, s.dir, s.port, s.zone, s.where("  provide-xfr: 127.0.0.1 NOKEY\n")) + s.each("zone:\n  name: %s\n  zonefile: \"%s\"\n")}
		},
		argv:   func(bin string, s site) []string { return []string{bin, "-d", "-c", s.dir + "/nsd.conf"} },
		reload: hangup,
	}
}

func bindPeer() peer {
	return peer{
		name: "bind", command: "named", version: []string{"-v"}, can: static | transferred,
		files: func(s site) map[string]string {
			return map[string]string{"named.conf": fmt.Sprintf(`options {
  directory "%[1]s";
  listen-on port %[2]d { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file "%[1]s/named.pid";
  session-keyfile "%[1]s/session.key";
  recursion no;
  notify no;
  dnssec-validation no;
  minimal-responses yes;
  tcp-clients 256;
};
controls { };
zone "bench.test" { type primary; file "%[3]s"; masterfile-format text; };
`, s.dir, s.port, s.zone) + s.each("zone \"%s\" { type primary; file \"%s\"; masterfile-format text; };\n")}
		},
		argv: func(bin string, s site) []string {
			return []string{bin, "-f", "-n", "1", "-c", s.dir + "/named.conf"}
		},
		reload: hangup,
	}
}

// pdnsPeer returns PowerDNS with its zone in a file and its packet cache. lua
// is the setting of enable-lua-records.
func pdnsPeer(name string, can ability, lua string) peer {
	p := peer{
		name: name, command: "pdns_server", version: []string{"--version"}, can: can,
		files: func(s site) map[string]string {
			conf := fmt.Sprintf(`launch=bind
bind-config=%[1]s/named.conf
local-address=127.0.0.1
local-port=%[2]d
receiver-threads=1
distributor-threads=1
socket-dir=%[1]s
cache-ttl=3600
query-cache-ttl=3600
negquery-cache-ttl=3600
zone-cache-refresh-interval=0
max-tcp-connections=256
max-tcp-transactions-per-conn=0
security-poll-suffix=
disable-syslog=yes
loglevel=3
daemon=no
guardian=no
write-pid=no
`, s.dir, s.port)
			if lua != "" {
				conf += "enable-lua-records=" + lua + "\nlua-health-checks-interval=1\n"
			}
			return map[string]string{
				"pdns.conf": conf,
				"named.conf": fmt.Sprintf("zone \"bench.test\" { type master; file \"%s\"; };\n", s.zone) +
					s.each("zone \"%s\" { type master; file \"%s\"; };\n"),
			}
		},
		argv: func(bin string, s site) []string {
			return []string{bin, "--config-dir=" + s.dir}
		},
	}
	if lua == "" {
		p.reload = func(_ *process, s site) error {
			words := func(w ...string) []string {
				return append([]string{"--config-dir=" + s.dir, "--socket-dir=" + s.dir}, w...)
			}
			err := control("pdns_control", words("bind-reload-now", "bench.test")...) // gives up waiting after 7 s
			return errors.Join(err, control("pdns_control", words("purge", "bench.test$")...))
		}
		return p
	}
	p.extra = func(s site) string {
		return fmt.Sprintf("fo 30 LUA A \"ifurlup('http://bench.test:%d/', {{'%s'},{'%s'},{'%s'}}, {timeout=1})\"\n", s.web, paths[0], paths[1], paths[2]) +
			fmt.Sprintf("we 30 LUA A \"pickwrandom({{%d,'%s'},{%d,'%s'},{%d,'%s'}})\"\n", weights[0], paths[0], weights[1], paths[1], weights[2], paths[2])
	}
	p.note = "`enable-lua-records=" + lua + "`, weighted by pickwrandom, which looks at no health"
	return p
}

// control runs a server's own control command.
func control(command string, args ...string) error {
	bin, err := find(command)
	if err != nil {
		return err
	}
	if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", command, args, err, out)
	}
	return nil
}

// find returns the path of a command.
func find(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", command)
	}
	return path, nil
}

// versionOf returns the first line with a digit that the command says of itself.
func versionOf(bin string, args []string) string {
	if len(args) == 0 {
		return ""
	}
	out, _ := exec.Command(bin, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.ContainsAny(line, "0123456789") {
			if i := strings.Index(line, "PowerDNS"); i > 0 { // it begins with the date
				line = line[i:]
			}
			line, _, _ = strings.Cut(line, " (C)")
			line, _, _ = strings.Cut(line, " <id")
			return strings.TrimSpace(line)
		}
	}
	return "?"
}
