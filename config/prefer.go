package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// prefers is where a prefer filter stands whose lists are in a file.
type prefers struct {
	policy, filter int // indexes in Config.Policies and its Chain
	at             path
	file           scalar
	by             []scalar
}

func (c *chooser) prefer(p path, raw *rawPrefer, m prefers) PreferFilter {
	f := PreferFilter{
		File: c.filePath(p.sub("map"), raw.Map, c.dir),
		Skip: c.count(p.sub("skip"), raw.Skip, 0, 0, MaxChoices-1),
	}
	for i, s := range raw.By {
		c.word(p.sub("by").item(i), s, whereWords()...)
		if k := slices.Index(whereWords(), s.text); s.set() && k >= 0 && !slices.Contains(f.By, WhereKind(k+1)) {
			f.By = append(f.By, WhereKind(k+1))
		}
	}
	f.Default.Pools = c.listed(p.sub("default"), raw.Default)
	f.Default.LastResort = c.listed(p.sub("last_resort"), raw.LastResort)
	switch {
	case raw.Map.set() && raw.Map.text == "":
		c.problem(p.sub("map"), raw.Map, "the file has no name", "write one, or leave the key out")
	case raw.Map.set() && raw.Lists != nil:
		c.problem(p.sub("lists"), at(raw.Line), "the lists are in the map", "write map or lists, not both")
	case raw.Map.set():
		m.at, m.file, m.by = p.sub("map"), raw.Map, raw.By
		c.maps = append(c.maps, m)
	case raw.Lists == nil && raw.Default == nil && raw.LastResort == nil && f.Skip == 0:
		c.problem(p, at(raw.Line), "prefer has no lists", "write map: FILE, lists:, or default:")
	}
	lists := c.lists(p.sub("lists"), raw.Lists)
	c.settle(p.sub("lists"), &f, lists)
	return f
}

// listed reads the names of pools, or of policies with pools.
func (c *chooser) listed(p path, list []scalar) []string {
	var out []string
	for i, s := range list {
		switch {
		case !s.set():
		case slices.Contains(out, s.text):
			c.problem(p.item(i), s, fmt.Sprintf("pool %q stands here twice", clip(s.text)), "keep one of them")
		default:
			if c.refers(p.item(i), s, "pool", c.listable) {
				out = append(out, strings.Clone(s.text))
			}
		}
	}
	return out
}

// placeLists are the lists of a map, each place with where it stands.
type placeLists struct {
	lists  []PlaceList
	places [][]scalar // of lists[i].Places
	at     []path     // of lists[i]
	def    *PlaceList
	line   int32 // of def
}

// lists reads the items of a map file, or of prefer.lists, which stand at p.
func (c *chooser) lists(p path, list []rawPlaceList) placeLists {
	var out placeLists
	seen, total := map[Where]int32{}, 0
	for i := range list {
		q, raw := p.item(i), &list[i]
		if raw.Line == 0 {
			continue
		}
		last := c.listed(q.sub("last_resort"), raw.LastResort)
		if raw.Default != nil {
			c.defaultList(q, raw, &out, last)
			continue
		}
		if len(raw.Pools) == 0 {
			c.problem(q, at(raw.Line), "the list has no pools", "write pools: [POOL, …], the preferred one first")
		}
		if len(raw.Places) == 0 {
			c.problem(q, at(raw.Line), "the list is for no place", "write places: [DE, …], or default: instead of pools: for everyone else")
		}
		l := PlaceList{Pools: c.listed(q.sub("pools"), raw.Pools), LastResort: last}
		var at []scalar
		for j, s := range raw.Places {
			w, ok := c.where(q.sub("places").item(j), s)
			if !ok {
				continue
			}
			if line, twice := seen[w]; twice {
				c.problem(q.sub("places").item(j), s, fmt.Sprintf("%s stands in line %d already", w, line), "keep it in one list")
				continue
			}
			seen[w] = s.line
			l.Places, at = append(l.Places, w), append(at, s)
		}
		if total += len(l.Places); total > MaxPlaces {
			c.problem(q.sub("places"), raw.Places[0], fmt.Sprintf("%d places up to here are too many", total), fmt.Sprintf("at most %d are allowed", MaxPlaces))
			return out
		}
		out.lists, out.places, out.at = append(out.lists, l), append(out.places, at), append(out.at, q)
	}
	return out
}

// defaultList reads an item of lists that is for everyone else.
func (c *chooser) defaultList(p path, raw *rawPlaceList, out *placeLists, last []string) {
	switch {
	case raw.Places != nil || raw.Pools != nil:
		c.problem(p, at(raw.Line), "a default is for no place, and names its pools itself", "write default: [POOL, …], or places: and pools:")
	case len(raw.Default) == 0:
		c.problem(p, at(raw.Line), "the default has no pools", "write default: [POOL, …], or leave it out: then all pools count")
	case out.def != nil:
		c.problem(p, at(raw.Line), fmt.Sprintf("there is a default in line %d already", out.line), "keep one of them")
	default:
		out.def, out.line = &PlaceList{Pools: c.listed(p.sub("default"), raw.Default), LastResort: last}, raw.Line
	}
}

// settle gives f its lists, once they have been read, and checks that each of
// their places counts.
func (c *chooser) settle(p path, f *PreferFilter, l placeLists) {
	f.Lists = l.lists
	for i, at := range l.places {
		for j, s := range at {
			w, q := l.lists[i].Places[j], l.at[i].sub("places").item(j)
			if len(f.By) > 0 && !slices.Contains(f.By, w.Kind) {
				c.problem(q, s, fmt.Sprintf("%s never counts: prefer goes by %s only", w, joined(f.By)), fmt.Sprintf("add %s to by, or remove the place", w.Kind))
				continue
			}
			c.locatable(q, s, w)
		}
	}
	if l.def == nil {
		return
	}
	if len(f.Default.Pools)+len(f.Default.LastResort) > 0 {
		c.problem(p, at(l.line), "there is a default in the chain already", "keep one of them")
		return
	}
	f.Default = *l.def
}

func joined(kinds []WhereKind) string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = k.String()
	}
	return strings.Join(out, " and ")
}

// readMaps reads the files that prefer filters have their lists from.
func (r *reader) readMaps() {
	told := map[string]bool{} // files whose own problems have been reported
	for _, m := range r.maps {
		c := r.choose
		f := &c.cfg.Policies[m.policy].Chain[m.filter].Prefer
		if f.File == "" {
			continue // another problem keeps the filter from being one
		}
		sub, doc := c.beside(m.at, m.file, f.File)
		if doc == nil {
			continue
		}
		in := *c
		in.reader = sub
		lists := in.mapped(doc)
		if told[f.File] {
			sub.problems, sub.more = nil, 0
		}
		told[f.File] = true
		in.settle(path{index: -1}, f, lists)
		c.adopt(sub)
	}
}

// mapped reads the document of a map file.
func (c *chooser) mapped(doc *yaml.Node) placeLists {
	var raw []rawPlaceList
	c.fill(path{index: -1}, doc, reflect.ValueOf(&raw).Elem())
	return c.lists(path{index: -1}, raw)
}
