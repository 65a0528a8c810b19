package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rock/ckpt/image"
)

// writeInspected writes what is in an image for people: what holds for the whole of it, and a table of
// each kind of thing that is there.
func writeInspected(w io.Writer, i *inspected, files bool) error {
	m := i.manifest
	if err := i.writeHead(w); err != nil {
		return err
	}
	tables := []*table{processTable(w, m), rockTable(w, m.Rocks), listenerTable(w, m.Listeners), ordinaryTable(w, m.Ordinary)}
	if files {
		tables = append(tables, fileTable(w, m.Files))
	}
	for _, t := range tables {
		if len(t.rows) == 1 {
			continue
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspected) writeHead(w io.Writer) error {
	m := i.manifest
	t := newList(w)
	t.row("image", fmt.Sprintf("%s, %s", i.dir, formatBytes(int(i.bytes))))
	t.row("made", fmt.Sprintf("%s by rock %s%s", formatMoment(m.Created), m.Rock, optionsText(m)))
	t.row("host", fmt.Sprintf("%s, Linux %s %s, %s", m.Host.Name, m.Host.Kernel, m.Host.Arch, m.Host.CPU))
	t.row("group", strings.TrimSpace(m.Group.ID+" "+m.Group.Name)+": "+strings.Join(m.Group.Command, " "))
	t.row("started", fmt.Sprintf("%s in %s", formatMoment(m.Group.Started), m.Group.Dir))
	s := m.Stats
	micros := func(n int64) string { return formatTime(time.Duration(n) * time.Microsecond) }
	t.row("frozen", fmt.Sprintf("%s: %s to come to rest, %s for CRIU", micros(s.FrozenMicros), micros(s.QuiesceMicros), micros(s.CRIUMicros)))
	t.row("memory", fmt.Sprintf("%s, %s of %s", count(s.Pages, "page"), formatBytes(int(s.PageBytes)), count(len(m.Processes), "process")))
	t.row("rocks", fmt.Sprintf("%d, with %s drained out of %s", len(m.Rocks), formatBytes(int(s.DrainedBytes)), count(s.Sockets, "socket")))
	t.row("files", fmt.Sprintf("%d (-v lists them)", countPaths(m.Files)))
	if m.Terminal != nil {
		t.row("terminal", fmt.Sprintf("%d rows, %d columns", m.Terminal.Rows, m.Terminal.Cols))
	}
	if len(m.Outside) > 0 {
		t.row("outside", outsideText(m.Outside))
	}
	t.row("restored", restoredText(i.restored))
	t.row("sums", i.sumsText())
	return t.flush()
}

// formatMoment writes a point in time.
func formatMoment(t time.Time) string { return t.Local().Format(time.DateTime) }

func optionsText(m *image.Manifest) string {
	text := ""
	if m.CRIU != "" {
		text += " with CRIU " + m.CRIU
	}
	if m.Options.LeaveRunning {
		text += ", the group went on"
	}
	if m.Options.TCPEstablished {
		text += ", --tcp-established"
	}
	return text
}

// countPaths counts files, of which several processes may have the same.
func countPaths(files []image.File) int {
	paths := map[string]bool{}
	for _, f := range files {
		paths[f.Path] = true
	}
	return len(paths)
}

func outsideText(list []image.Outside) string {
	var ends []string
	for _, o := range list {
		way := "reads from"
		if o.Write {
			way = "writes to"
		}
		ends = append(ends, fmt.Sprintf("%s a %s (descriptor %d)", way, strings.SplitN(o.Key, ":", 2)[0], o.FD))
	}
	return strings.Join(ends, ", ")
}

func restoredText(c *image.Claim) string {
	switch {
	case c == nil:
		return "not yet"
	case c.When.IsZero():
		return "before, nobody knows when"
	}
	return fmt.Sprintf("%s on %s as group %s", formatMoment(c.When), c.Host, c.Group)
}

func (i *inspected) sumsText() string {
	n := count(len(i.manifest.Sums), "file")
	switch {
	case !i.verified:
		return n + ", not compared (--verify does)"
	case i.wrong != nil:
		return n + ", NOT as they were"
	}
	return n + ", all as they were"
}

// processTable shows the tree of processes, children below their parents and indented.
func processTable(w io.Writer, m *image.Manifest) *table {
	t := newTable(w, "PID", "PROCESS", "THREADS", "STATE", "PROGRAM")
	children := map[int][]image.Process{}
	known := map[int]bool{}
	for _, p := range m.Processes {
		known[p.PID] = true
	}
	for _, p := range m.Processes {
		parent := p.PPID
		if p.PID == m.Root || !known[parent] || parent == p.PID {
			parent = 0
		}
		children[parent] = append(children[parent], p)
	}
	var add func(parent, depth int)
	add = func(parent, depth int) {
		list := children[parent]
		delete(children, parent) // whatever the manifest says, nobody comes twice
		slices.SortFunc(list, func(a, b image.Process) int { return a.PID - b.PID })
		for _, p := range list {
			t.row(strconv.Itoa(p.PID), strings.Repeat("  ", depth)+p.Name, strconv.Itoa(p.Threads), p.State, p.Exe)
			add(p.PID, depth+1)
		}
	}
	add(0, 0)
	return t
}

func rockTable(w io.Writer, rocks []image.Rock) *table {
	t := newTable(w, "ROCK", "ROLE", "LOCAL", "REMOTE", "EPOCH", "SENT", "RECEIVED", "IN FLIGHT", "UNREAD")
	for _, r := range rocks {
		t.row(r.ID[:min(8, len(r.ID))], r.Role, r.Local, r.Remote, strconv.FormatUint(uint64(r.Epoch), 10),
			formatBytes(int(r.Sent)), formatBytes(int(r.Received)), formatBytes(int(r.InFlight)), formatBytes(int(r.Unread)))
	}
	return t
}

func listenerTable(w io.Writer, listeners []image.Listener) *table {
	t := newTable(w, "LISTENER", "PID", "FD")
	for _, l := range listeners {
		t.row(l.Address, strconv.Itoa(l.PID), strconv.Itoa(l.FD))
	}
	return t
}

func ordinaryTable(w io.Writer, list []image.Connection) *table {
	t := newTable(w, "ORDINARY", "REMOTE", "PID", "FD", "ON RESTORE")
	for _, c := range list {
		t.row(c.Local, c.Remote, strconv.Itoa(c.PID), strconv.Itoa(c.FD), c.Fate)
	}
	return t
}

func fileTable(w io.Writer, files []image.File) *table {
	t := newTable(w, "PID", "FD", "KIND", "SIZE", "FILE")
	for _, f := range files {
		fd := "-" // mapped, or a directory that a process is in
		if f.FD >= 0 {
			fd = strconv.Itoa(f.FD)
		}
		t.row(strconv.Itoa(f.PID), fd, f.Kind, formatBytes(int(f.Size)), filepath.Clean(f.Path))
	}
	return t
}
