package migrate

import (
	"context"
	"time"

	"rock/ckpt"
	"rock/ckpt/freeze"
	"rock/migrate/stream"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
)

// buryTime is how long processes may take to end that live elsewhere.
const buryTime = 10 * time.Second

// Guard ends what a supervisor has begun that died while its group stood still: see the phases of package stage. While it was
// being decided the guard says commit to the target, which does not mind to hear it twice, and learns from it where the group is.
func (Engine) Guard(watches <-chan supervise.Watch) {
	var last supervise.Watch
	for w := range watches {
		_ = last.Close()
		if last = w; w.Phase == stage.PhaseOver {
			return
		}
	}
	defer last.Close()
	cell, err := freeze.Open(last.Cell)
	if err != nil {
		return // it has ended
	}
	phase := last.Phase
	if phase == stage.PhaseDeciding {
		phase = decideFor(last)
	}
	switch phase {
	case stage.PhaseStill:
		// The front may have found the mark, and have left it to us.
		if cell.Unmark() == nil {
			_ = ckpt.Rescue(last.Cell)
		}
	case stage.PhaseGone:
		ctx, cancel := context.WithTimeout(context.Background(), buryTime)
		defer cancel()
		if cell.Kill(ctx) == nil {
			_ = cell.Remove()
		}
	}
}

// decideFor makes the target the owner, in the place of a source that may or may not have done so, and returns what has become of it.
func decideFor(w supervise.Watch) stage.Phase {
	defer time.AfterFunc(doneTime, func() { _ = w.Close() }).Stop()
	conn := stream.New(w, w)
	_ = conn.Send(kindCommit, nil) // if it is not taken, there may be an answer yet
	for {
		f, err := conn.Receive() // the source has read whole frames, unless one came in two parts just then
		switch {
		case err != nil:
			return stage.PhaseDoubt
		case f.Kind == kindDone:
			return stage.PhaseGone
		case f.Kind == kindAbort:
			return stage.PhaseStill
		}
	}
}
