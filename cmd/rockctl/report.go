package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"rock/rocks/group"
)

// checkpointJSON is what checkpoint --json writes. Scripts rely on these keys.
type checkpointJSON struct {
	Dir          string   `json:"dir"`
	Running      bool     `json:"running"`
	Took         int64    `json:"took_us"`
	Frozen       int64    `json:"frozen_us"`
	Quiesce      int64    `json:"quiesce_us"`
	CRIU         int64    `json:"criu_us"`
	Pages        int64    `json:"pages"`
	ImageBytes   int64    `json:"image_bytes"`
	Processes    int      `json:"processes"`
	Rocks        int      `json:"rocks"`
	Sockets      int      `json:"sockets"`
	DrainedBytes int64    `json:"drained_bytes"`
	InFlight     int64    `json:"in_flight"`
	Warnings     []string `json:"warnings"`
}

func reportJSON(r *group.CheckpointReport) checkpointJSON {
	return checkpointJSON{
		Dir: r.Dir, Running: r.Running, Took: r.Took.Microseconds(), Frozen: r.Frozen.Microseconds(),
		Quiesce: r.Quiesce.Microseconds(), CRIU: r.CRIU.Microseconds(), Pages: r.Pages, ImageBytes: r.ImageBytes,
		Processes: r.Processes, Rocks: r.Rocks, Sockets: r.Sockets, DrainedBytes: r.Drained, InFlight: r.InFlight,
		Warnings: append([]string{}, r.Warnings...),
	}
}

// writeReport says what a checkpoint has cost, what is in it, and what to do with it.
func writeReport(w io.Writer, r *group.CheckpointReport) error {
	t := newList(w)
	t.row("image", fmt.Sprintf("%s, %s", r.Dir, formatBytes(int(r.ImageBytes))))
	t.row("frozen", fmt.Sprintf("%s: %s to come to rest, %s for CRIU; %s in all",
		formatTime(r.Frozen), formatTime(r.Quiesce), formatTime(r.CRIU), formatTime(r.Took)))
	t.row("memory", fmt.Sprintf("%s, %s of %s", count(r.Pages, "page"), formatBytes(int(r.Pages)*os.Getpagesize()), count(r.Processes, "process")))
	t.row("rocks", fmt.Sprintf("%d, with %s in flight and %s drained out of %s", r.Rocks, formatBytes(int(r.InFlight)),
		formatBytes(int(r.Drained)), count(r.Sockets, "socket")))
	how := "rockctl restore -D " + shellWord(r.Dir)
	if r.Running {
		how += "   # once the group has ended"
	}
	t.row("restore", how)
	return t.flush()
}

// newList is a table without heads, of names and what there is to say of them. Its lines are not cut.
func newList(w io.Writer) *table {
	t := newTable(w, "", "")
	t.rows, t.whole = nil, true
	return t
}

// formatTime writes a short time with three digits or so.
func formatTime(d time.Duration) string {
	switch {
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return formatDuration(d)
}

// count writes so many things.
func count[N int | int64](n N, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "ss"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// shellWord quotes a word for a shell if that needs it.
func shellWord(word string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:,@%", r) || r > 0x7f
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
