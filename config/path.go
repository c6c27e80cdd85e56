package config

import "strconv"

// A path is where a value stands in the file, as pools[2].cname. It is text
// only when a problem is reported.
type path struct {
	up    *path
	key   string
	index int // of an item of the list key; -1: the key itself
}

// top is the path of a key at the left margin.
func top(key string) path { return path{key: key, index: -1} }

// sub is the path of a key below p.
func (p path) sub(key string) path { return path{up: &p, key: key, index: -1} }

// item is the path of the i-th item of the list p.
func (p path) item(i int) path { return path{up: p.up, key: p.key, index: i} }

// String returns p as it is shown to people.
func (p path) String() string { return string(p.append(nil)) }

func (p path) append(b []byte) []byte {
	if p.up != nil {
		b = p.up.append(b)
	}
	if len(b) > 0 {
		b = append(b, '.')
	}
	b = append(b, p.key...)
	if p.index >= 0 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(p.index), 10)
		b = append(b, ']')
	}
	return b
}
