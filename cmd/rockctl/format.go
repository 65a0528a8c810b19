package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A table aligns rows for people. Its last column is cut at the width of the terminal, if it goes
// to one.
type table struct {
	w      io.Writer
	rows   [][]string
	widths []int
	whole  bool // do not cut
}

func newTable(w io.Writer, heads ...string) *table {
	t := &table{w: w, widths: make([]int, len(heads))}
	t.row(heads...)
	return t
}

// row adds a row. What a terminal would obey, such as an escape in a command, becomes a question
// mark.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return '?'
			}
			return r
		}, cell)
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cells[i]))
	}
	t.rows = append(t.rows, cells)
}

// flush writes the table.
func (t *table) flush() error {
	limit := terminalWidth(t.w)
	if t.whole {
		limit = 0
	}
	var b strings.Builder
	for _, cells := range t.rows {
		var line strings.Builder
		for i, cell := range cells {
			line.WriteString(cell)
			if i < len(cells)-1 {
				line.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteString(strings.TrimRight(cut(line.String(), limit), " ") + "\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// cut shortens a line to a number of characters, 0 for any.
func cut(line string, limit int) string {
	if r := []rune(line); limit > 0 && len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return line
}

// terminalWidth returns the width of the terminal that w is, 0 if it is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// formatBytes writes a size with three digits or so.
func formatBytes(n int) string {
	const k = 1024
	if n < k {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/k, 0
	for v >= 1023.5 && unit < 3 {
		v /= k
		unit++
	}
	format := "%.1f %ciB"
	if v >= 99.95 {
		format = "%.0f %ciB"
	}
	return fmt.Sprintf(format, v, "KMGT"[unit])
}

// formatDuration writes a time with at most its two largest units, in whole seconds.
func formatDuration(d time.Duration) string {
	s := max(int(d/time.Second), 0)
	m, h, days := s/60, s/3600, s/86400
	switch {
	case m == 0:
		return fmt.Sprintf("%ds", s)
	case h == 0:
		return fmt.Sprintf("%dm%02ds", m, s%60)
	case days == 0:
		return fmt.Sprintf("%dh%02dm", h, m%60)
	}
	return fmt.Sprintf("%dd%02dh", days, h%24)
}
