package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"rock/rocks/group"
)

const (
	// progressAfter is how long something lasts before it is shown how far it is.
	progressAfter = 500 * time.Millisecond
	// progressEvery is the time between two looks.
	progressEvery = 100 * time.Millisecond
)

// phases are what people read of the phases of checkpoints and restores.
var phases = map[string]string{
	"look":    "looking",
	"files":   "copying files",
	"copy":    "copying memory",
	"freeze":  "freezing",
	"dump":    "dumping",
	"write":   "writing",
	"verify":  "verifying",
	"ask":     "asking peers",
	"restore": "restoring",
}

// A progress shows on a terminal how far something is, if that takes some time. Its methods may be
// called by several goroutines at once. A nil progress shows nothing.
type progress struct {
	w     io.Writer
	after *time.Timer

	mu    sync.Mutex
	now   group.Progress
	bar   *progressbar.ProgressBar // nil as long as there is none
	of    group.Progress           // what the bar is of
	ended bool
}

// newProgress returns a progress that is shown on w, nil unless that is a terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	p := &progress{w: w}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = time.AfterFunc(progressAfter, p.draw)
	return p
}

// show takes note of how far it is.
func (p *progress) show(now group.Progress) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
}

// draw draws it, and does so again in a while.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if p.bar == nil || p.of.Phase != p.now.Phase || p.of.Total != p.now.Total {
		p.clear()
		p.bar, p.of = newBar(p.w, p.now), p.now
	}
	// A bar that cannot be drawn is no reason to fail. One that is at its end clears itself, which is for the next phase to do.
	if p.now.Total > 0 {
		_ = p.bar.Set64(min(p.now.Done, p.now.Total-1))
	}
	_ = p.bar.RenderBlank()
	p.after.Reset(progressEvery)
}

// end clears it away.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.after.Stop()
	p.clear()
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	p.bar = nil
}

// newBar returns a bar, or something that turns if the total is not known. It draws nothing of its own accord.
func newBar(w io.Writer, of group.Progress) *progressbar.ProgressBar {
	total := of.Total
	if total == 0 {
		total = -1
	}
	name, known := phases[of.Phase]
	if !known {
		name = of.Phase
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(name), progressbar.OptionSetWidth(20),
		progressbar.OptionUseIECUnits(true), progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), progressbar.OptionSpinnerType(14),
	}
	if of.Total > 0 {
		options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionShowCount())
	}
	return progressbar.NewOptions64(total, options...)
}
