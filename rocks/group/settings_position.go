package group

import (
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// settingsPath names a key in a config file by the keys and list indices (from 0)
// that lead to it. It is comparable; the zero value is the file itself.
type settingsPath string

// key returns the path of a key in the table at p.
func (p settingsPath) key(k string) settingsPath { return p + "." + settingsPath(strconv.Quote(k)) }

// index returns the path of an element of the list at p.
func (p settingsPath) index(i int) settingsPath {
	return p + "[" + settingsPath(strconv.Itoa(i)) + "]"
}

// settingsPosition is a place in a config file, from 1.
type settingsPosition struct{ line, column int }

// settingsPositions returns where the keys of a valid TOML document are. The
// decoder tells positions only of its own errors; ours are found by values, after
// decoding, so the document is parsed once more.
func settingsPositions(data []byte) map[settingsPath]settingsPosition {
	m := positionMap{
		at:    make(map[settingsPath]settingsPosition),
		lists: make(map[settingsPath]int),
	}
	m.parser.Reset(data)
	var table settingsPath
	for m.parser.NextExpression() {
		e := m.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table = m.header(e, false)
		case unstable.ArrayTable:
			table = m.header(e, true)
		case unstable.KeyValue:
			m.keyValue(table, e)
		}
	}
	return m.at
}

type positionMap struct {
	parser unstable.Parser
	at     map[settingsPath]settingsPosition
	lists  map[settingsPath]int // elements so far of lists made of [[...]]
}

// header notes [a.b] or [[a.b]] and returns the path of the table that it begins.
func (m *positionMap) header(e *unstable.Node, element bool) settingsPath {
	var path settingsPath
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = path.key(string(key.Data))
		m.note(path, key)
		if it.IsLast() && element {
			m.lists[path]++
		}
		if n := m.lists[path]; n > 0 {
			path = path.index(n - 1)
			m.note(path, key)
		}
	}
	return path
}

// keyValue notes a key and what its value contains.
func (m *positionMap) keyValue(table settingsPath, e *unstable.Node) {
	path := table
	var last *unstable.Node
	for it := e.Key(); it.Next(); {
		last = it.Node()
		path = path.key(string(last.Data))
		m.note(path, last)
	}
	m.value(path, e.Value(), last)
}

// value notes the keys inside of a value; list elements are at the key they
// belong to.
func (m *positionMap) value(path settingsPath, v, key *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			m.keyValue(path, it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			m.note(path.index(i), key)
			m.value(path.index(i), it.Node(), key)
		}
	}
}

// note keeps the first position of a path.
func (m *positionMap) note(path settingsPath, key *unstable.Node) {
	if _, ok := m.at[path]; !ok {
		start := m.parser.Shape(key.Raw).Start
		m.at[path] = settingsPosition{start.Line, start.Column}
	}
}
