package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rock/ckpt"
	"rock/ckpt/survey"
	"rock/migrate/files"
	"rock/migrate/stream"
	"rock/rocks/group"
	"rock/rocks/group/front"
)

// Receiver is the second half of a migration: it brings a group to life on this host that comes from another.
type Receiver struct {
	Engine Engine
	Log    *os.File     // for the supervisor of the group, nil for none; Run closes it
	Logger *slog.Logger // for what nobody is left to be told
}

// target is a Receiver at work.
type target struct {
	Receiver
	conn    *stream.Conn
	line    *line
	cancel  context.CancelCauseFunc
	offer   offer
	place   string // directory of this migration
	journal *journal
	files   *files.Receiver // nil: none come along
	arrival *arrival
	doubt   bool // the source may have given the group up without our knowing
	result  front.Result
	warned  []string
}

// Run serves one migration over a transport, and returns when the group runs, or never will. It takes this process
// over as front.Restore does, so it is called once, by the main goroutine.
func (r Receiver) Run(ctx context.Context, transport io.ReadWriteCloser) error {
	x := &target{Receiver: r, conn: stream.New(transport, transport)}
	ctx, x.cancel = context.WithCancelCause(ctx)
	if err := x.conn.Hello(); err != nil {
		return fmt.Errorf("receive a group: %w", err)
	}
	x.line = newLine(x.conn, x.cancel)
	defer x.line.wait()
	defer transport.Close()
	defer x.cancel(nil)
	err := x.run(ctx)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if !x.doubt {
		_ = x.conn.Send(kindAbort, abort{Reason: err.Error()})
	}
	return fmt.Errorf("receive a group: %w", err)
}

func (x *target) run(ctx context.Context) error {
	goOn, err := x.admit(ctx)
	if err != nil || !goOn {
		return err
	}
	defer x.journal.close()
	defer x.arrival.store.close()
	if err := x.arriveAndRun(ctx); err != nil {
		return errors.Join(err, x.giveUp())
	}
	x.settleFiles()
	// Should this be lost, the journal has it.
	_ = x.conn.Send(kindDone, done{Pid: x.result.Pid, Warnings: x.warned})
	_ = os.RemoveAll(filepath.Join(x.place, imageDir)) // which takes a while, that nobody waits for
	return nil
}

// arriveAndRun takes the image, restores the group and lets it run when the source has given it up. The supervisor is started at
// once, so that this is over when the image is there.
func (x *target) arriveAndRun(ctx context.Context) error {
	o := arrivalOptions{Journal: filepath.Join(x.place, journalFile)}
	o.Arrived = true
	var err error
	x.result, err = front.Restore(front.RestoreOptions{
		Dir: x.arrival.dir, Localhost: x.offer.Localhost, Detach: true, Log: x.Log, Rescue: ckpt.Rescue, Extra: o.encode(),
		PTYs: x.offer.Manifest.PTYs,
		Warn: func(line string) { x.warned = append(x.warned, line) },
		Prepare: func(ended context.Context) error {
			defer context.AfterFunc(ended, func() { x.cancel(context.Cause(ended)) })()
			return x.arrive(ctx)
		},
		Ready: func(resume []netip.AddrPort) error { return x.await(ctx, resume) },
	})
	return err
}

// arrive takes the image.
func (x *target) arrive(ctx context.Context) error {
	var c complete
	if err := x.line.expect(ctx, kindComplete, &c, nil); err != nil {
		return err
	}
	if err := x.arrival.complete(ctx, &c.Manifest); err != nil {
		return err
	}
	if err := x.placeFiles(); err != nil {
		return err
	}
	_ = x.conn.Send(kindProgress, progress{Phase: "restore"})
	return nil
}

// skew is how far clocks may differ before the user is told.
const skew = 2 * time.Second

// admit looks whether the group can live here, and tells the source.
func (x *target) admit(ctx context.Context) (goOn bool, err error) {
	if err := x.line.expect(ctx, kindOffer, &x.offer, nil); err != nil {
		return false, err
	}
	o := &x.offer
	if x.place, err = placeOf(StagingDir(x.Engine.Getenv), o.Token); err != nil {
		return false, err
	}
	v := verdict{Rock: x.Engine.Rock}
	v.Host, _ = os.Hostname()
	v.Problems = x.Engine.Admit(&o.Manifest, o.Memory, filepath.Dir(x.place), o.Localhost, o.comes(), files.Remedy)
	if o.Files != nil {
		v.Problems = append(v.Problems, thisTree.Check(o.Files, filepath.Dir(x.place), o.Memory)...)
	}
	if dir, err := group.OpenDir(x.Engine.Getenv); err != nil {
		v.Problems = append(v.Problems, survey.Problem{What: err.Error()})
	} else if err := dir.Vacant(o.Manifest.Group.Name, o.Manifest.Group.ID); err != nil {
		remedy := "end that group"
		if errors.Is(err, group.ErrAlive) {
			remedy = "is this the host where it is? Name another"
		}
		v.Problems = append(v.Problems, survey.Problem{What: err.Error(), Remedy: remedy})
	}
	if o.Localhost { // else they are problems
		if absent := ckpt.Absent(o.Manifest.Listeners); len(absent) > 0 {
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s does not have all addresses that the group listens at: nobody can connect to %s there until it does",
				v.Host, strings.Join(absent, ", ")))
		}
	}
	if d := time.Since(o.Clock).Round(time.Second); d > skew || d < -skew {
		v.Warnings = append(v.Warnings, fmt.Sprintf("the clocks differ by %v: what the group does at a time of day is late or early by as much", d))
	}
	goOn = len(v.Problems) == 0 && !o.DryRun
	if goOn {
		v.Room = roomFor(filepath.Dir(x.place), o.Memory)
		if err := x.begin(v.Room); err != nil {
			return false, err
		}
	}
	return goOn, x.conn.Send(kindVerdict, v)
}

// begin makes the directory of this migration, and is ready for files from then on.
func (x *target) begin(room int64) (err error) {
	sweep(filepath.Dir(x.place), x.offer.Manifest.Group.ID)
	if x.journal, err = createJournal(x.place); err != nil {
		return err
	}
	s, err := newStore(x.place, room)
	if err != nil {
		return errors.Join(err, x.journal.close())
	}
	x.arrival, err = newArrival(filepath.Join(x.place, imageDir, imagePrefix+x.offer.Manifest.Group.ID), s)
	if err != nil {
		s.close()
		return errors.Join(err, x.journal.close())
	}
	take := sink(x.take)
	if x.offer.Files != nil {
		if x.files, err = files.NewReceiver(thisTree, x.place, x.offer.Token); err != nil {
			return errors.Join(err, x.arrival.abandon(), x.journal.close())
		}
	}
	x.line.sink.Store(x.withFiles(take))
	return nil
}

// take takes a frame of a file or of memory.
func (x *target) take(f *stream.Frame) error {
	if err := x.arrival.take(f); err != nil || f.Kind != kindRound {
		return err
	}
	return x.conn.Send(kindHeld, nil)
}

// await tells the source that all is ready, and waits for its decision.
func (x *target) await(ctx context.Context, resume []netip.AddrPort) error {
	x.line.hurry(2 * silence) // so that the source gives up before
	if err := x.conn.Send(kindReady, ready{Resume: resume}); err != nil {
		return err
	}
	if err := x.line.expect(ctx, kindCommit, nil, nil); err != nil {
		var said *abortedError
		x.doubt = !errors.As(err, &said)
		return err
	}
	x.line.commit(patience, func(error) {}) // the source may rest now
	return nil
}

// giveUp notes that the group does not live here. Where the source may be lost together with its copy, ours is kept.
func (x *target) giveUp() error {
	last, err := x.journal.last()
	if err == nil { // there is a cell if the supervisor died when the group was to run
		ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
		defer cancel()
		err = bury(ctx, last.Cell)
	}
	if err != nil {
		x.doubt = true // so that the source asks, and who answers tries again
		return err
	}
	err = errors.Join(x.putFilesBack(), x.journal.note(entry{State: stateNever}))
	if !x.doubt {
		return errors.Join(err, x.arrival.abandon(), os.RemoveAll(filepath.Join(x.place, imageDir)))
	}
	x.Logger.Warn(fmt.Sprintf("the other host went silent before it said who owns the group: should it be lost there, bring it back with rockctl restore -D %s", x.arrival.dir))
	return err
}
