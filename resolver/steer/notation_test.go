package steer

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shunt-dns/shunt/config"
	"github.com/shunt-dns/shunt/health"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// A stage is a scene under construction.
type stage struct{ in Input }

// A scene is written as pools, "a+ b- c?": up, down, unknown. Behind the state
// may stand, in any order:
//
//	/d /u /x   drained, forced up, forced down      !       nothing to answer with
//	=N         weight                               ~N      could change in N seconds
//	*          last resort                          %N      max_share, in percent
//	&          waits to be let back                 ^N      its ramp lets it have N percent
//	>          works, and is only held down
//	$          unsteady                             #N      latency in milliseconds
//	:eu,us     jurisdictions                        @52.4,4.9   where it is
//
// A word {name} is a candidate that is a policy; it may have = and * too. A
// pool behind | is none of the service, only of its policies.
func stageOf(text, policy string) *stage {
	in := Input{
		Service:  config.Service{Policy: policy, TTL: 30 * time.Second, TTLMin: 10 * time.Second},
		Policies: map[string]*config.Policy{}, Pools: map[string]*config.Pool{},
		Table: &health.Table{At: noon, Pools: map[string]*health.Pool{}},
		Caps:  map[string]float64{}, Waits: map[string]string{}, Unsteady: map[string]bool{}, Now: noon,
	}
	bare := map[string]string{}
	in.Bare = func(p string) string { return bare[p] }
	own := true
	for _, word := range strings.Fields(text) {
		if word == "|" {
			own = false
			continue
		}
		choice := config.Choice{Weight: 1}
		if word[0] == '{' {
			end := strings.IndexByte(word, '}')
			choice.Policy, word = word[1:end], word[end+1:]
			options(word, &choice, nil, nil, &in, bare)
		} else {
			p := &config.Pool{Name: word[:1], MaxShare: 1}
			h := &health.Pool{Name: p.Name, State: map[byte]health.State{'+': health.Up, '-': health.Down, '?': health.Unknown}[word[1]]}
			if h.State == health.Down {
				h.Reason = "HTTP 500"
			}
			choice.Pool = p.Name
			options(word[2:], &choice, p, h, &in, bare)
			in.Pools[p.Name], in.Table.Pools[p.Name] = p, h
		}
		if own {
			in.Service.Pools = append(in.Service.Pools, choice)
		}
	}
	return &stage{in}
}

// scene returns what a scene is made of, for tests that decide in turns.
func scene(text, policy string) (config.Service, *health.Table, func(pool string) string) {
	s := stageOf(text, policy)
	return s.in.Service, s.in.Table, s.in.Bare
}

var option = regexp.MustCompile(`^(/[dux]|[!*&$>]|[=~%^#][0-9.]+|:[a-z,]+|@-?[0-9.]+,-?[0-9.]+)`)

func options(text string, c *config.Choice, p *config.Pool, h *health.Pool, in *Input, bare map[string]string) {
	for text != "" {
		o := option.FindString(text)
		if o == "" {
			panic("option " + text)
		}
		text = text[len(o):]
		n, _ := strconv.ParseFloat(o[1:], 64)
		switch o[0] {
		case '/':
			force := map[byte]health.Force{'d': health.ForceDrain, 'u': health.ForceUp, 'x': health.ForceDown}[o[1]]
			h.Override = &health.Override{Pool: p.Name, Force: force, Author: "kim", Reason: "test", Expires: noon.Add(time.Hour)}
		case '=':
			c.Weight = int(n)
		case '*':
			c.LastResort = true
		case '!':
			bare[p.Name] = "has no addresses"
		case '~':
			h.ChangeIn = time.Duration(n) * time.Second
		case '%':
			p.MaxShare = n / 100
		case '&':
			in.Waits[p.Name] = "down for 8h"
		case '^':
			in.Caps[p.Name] = n / 100
		case '>':
			h.Works = true
		case '$':
			in.Unsteady[p.Name] = true
		case '#':
			h.Latency = time.Duration(n * float64(time.Millisecond))
		case ':':
			p.Jurisdictions = strings.Split(o[1:], ",")
		case '@':
			p.At = point(o[1:])
		}
	}
}

func point(text string) config.Point {
	lat, lon, _ := strings.Cut(text, ",")
	p := config.Point{Known: true}
	p.Lat, _ = strconv.ParseFloat(lat, 64)
	p.Lon, _ = strconv.ParseFloat(lon, 64)
	return p
}

// with defines a policy: "eu: a b=3 {us} * healthy, first 1", its candidates
// before the asterisk; a service's own has none: "p: * healthy".
func (s *stage) with(defs ...string) *stage {
	for _, def := range defs {
		name, rest, _ := strings.Cut(def, ":")
		own, chain, _ := strings.Cut(rest, " * ")
		p := &config.Policy{Name: name}
		for _, word := range strings.Fields(own) {
			c := config.Choice{Weight: 1}
			word, weight, ok := strings.Cut(word, "=")
			if ok {
				c.Weight, _ = strconv.Atoi(weight)
			}
			if c.Pool = word; word[0] == '{' {
				c.Pool, c.Policy = "", strings.Trim(word, "{}")
			}
			p.Pools = append(p.Pools, c)
		}
		for _, f := range strings.Split(chain, ", ") {
			p.Chain = append(p.Chain, filterOf(strings.TrimSpace(f)))
		}
		s.in.Policies[name] = p
	}
	return s
}

// filterOf reads a filter:
//
//	healthy, healthy keep, healthy min 2
//	fence DE FR in eu, fence in eu open
//	prefer CN MO: q; BR: c b | d; else: a b | c; skip 1
//	fastest 20% 60s
//	keep_warm 5, first 1, and the others by their names
func filterOf(text string) config.Filter {
	kind, rest, _ := strings.Cut(text, " ")
	f := config.Filter{Kind: config.FilterKind(kind)}
	words := strings.Fields(rest)
	n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.Split(rest+" ", " ")[0], "%"), 64)
	switch f.Kind {
	case config.Healthy:
		f.Healthy.KeepUnknown = strings.Contains(rest, "keep")
		if _, min, ok := strings.Cut(rest, "min "); ok {
			f.Healthy.MinUp, _ = strconv.Atoi(min)
		}
	case config.Fence:
		in := false
		for _, w := range words {
			switch {
			case w == "in":
				in = true
			case w == "open":
				f.Fence.Open = true
			case in:
				f.Fence.Jurisdictions = append(f.Fence.Jurisdictions, w)
			default:
				f.Fence.Clients = append(f.Fence.Clients, where(w))
			}
		}
	case config.Prefer:
		for _, l := range strings.Split(rest, ";") {
			l = strings.TrimSpace(l)
			places, pools, ok := strings.Cut(l, ": ")
			if !ok {
				fmt.Sscanf(l, "skip %d", &f.Prefer.Skip)
				continue
			}
			good, last, _ := strings.Cut(pools, "|")
			list := config.PlaceList{Pools: strings.Fields(good), LastResort: strings.Fields(last)}
			if places == "else" {
				f.Prefer.Default = list
				continue
			}
			for _, w := range strings.Fields(places) {
				list.Places = append(list.Places, where(w))
			}
			f.Prefer.Lists = append(f.Prefer.Lists, list)
		}
	case config.ByLatency:
		f.Fastest.Margin = n / 100
		f.Fastest.For, _ = time.ParseDuration(words[1])
	case config.KeepWarm:
		f.Warm = n / 100
	case config.First:
		f.First = int(n)
	}
	return f
}

// where reads EU, continent:AF, DE, US-CA, AS64500 and 192.0.2.0/24.
func where(text string) config.Where {
	code, continent := strings.CutPrefix(text, "continent:")
	as, isAS := strings.CutPrefix(text, "AS")
	n, err := strconv.Atoi(as)
	switch {
	case continent:
		return config.Where{Kind: config.Continent, Code: code}
	case text == "EU":
		return config.Where{Kind: config.Union, Code: text}
	case strings.Contains(text, "/"):
		return config.Where{Kind: config.Network, Network: netip.MustParsePrefix(text)}
	case isAS && err == nil:
		return config.Where{Kind: config.ASN, ASN: uint32(n)}
	case strings.Contains(text, "-"):
		return config.Where{Kind: config.Subdivision, Code: text}
	}
	return config.Where{Kind: config.Country, Code: text}
}

// from says where the client is: "DE AS64500 192.0.2.1 52.5,13.4".
func (s *stage) from(text string) *stage {
	s.in.Place = placeOf(text)
	return s
}

func placeOf(text string) Place {
	var p Place
	for _, w := range strings.Fields(text) {
		switch addr, err := netip.ParseAddr(w); {
		case err == nil:
			p.Addr = addr
		case strings.Contains(w, ","):
			p.At = point(w)
		default:
			switch x := where(w); x.Kind {
			case config.Continent:
				p.Continent = x.Code
			case config.ASN:
				p.ASN = x.ASN
			case config.Subdivision:
				p.Subdivision = x.Code
			default:
				p.Country = x.Code
			}
		}
	}
	return p
}

// after gives the last good order.
func (s *stage) after(good string) *stage {
	s.in.Good = strings.Fields(good)
	return s
}

// write writes a decision as "a" or "a=60 b=40", in percent; a union as "a&b";
// in front "open:" while failing open, behind "stay" where clients stay with what they drew.
func write(d Decision) string {
	if len(d.Picks) == 0 {
		return "nothing"
	}
	var out []string
	for _, p := range d.Picks {
		word := p.Pool
		if len(d.Picks) > 1 && !d.Union {
			word += "=" + strconv.FormatFloat(float64(p.Weight)/10000, 'g', 6, 64)
		}
		out = append(out, word)
	}
	text := strings.Join(out, map[bool]string{true: "&", false: " "}[d.Union])
	if d.FailOpen {
		text = "open: " + text
	}
	if d.Draw == Stay {
		text += " stay"
	}
	return text
}
