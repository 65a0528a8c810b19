package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"rock/ckpt"
	"rock/ckpt/survey"
	"rock/migrate/files"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/group/supervise"
)

// Engine is a ckpt.Engine that also migrates groups, and restores those that come from other hosts.
type Engine struct{ ckpt.Engine }

var _ supervise.Checkpointer = Engine{}

// Migrate hands a group over to the host at the other end of link, which it closes. The error is nil if and only if the group
// lives there, or would with o.DryRun; after one it goes on here. It blocks until that is decided. Until then it gives up
// when ctx is done. If the connection breaks when the decision is under way it asks the client of d, with
// group.QuestionOutcome, and waits for the answer whatever ctx is.
func (e Engine) Migrate(ctx context.Context, s supervise.Subject, o group.MigrateOptions, link io.ReadWriteCloser, d group.Dialogue) (*group.MigrateReport, *supervise.Moved, error) {
	x := newSource(ctx, s, o, link, d, e.Rock)
	began := time.Now()
	out, err := x.run(e.Engine)
	var looked *lookedError
	if o.DryRun && errors.As(err, &looked) {
		return looked.report(time.Since(began)), nil, nil
	}
	if out == nil {
		return nil, nil, err
	}
	if err != nil {
		out.Warnings = append(out.Warnings, err.Error()) // it lives there, but not all is gone here
	}
	return x.report(out), &supervise.Moved{Host: x.verdict.Host, Resume: x.resume, Rocks: out.Rocks}, nil
}

// StagingDir is where images are on their way. They are as large as the groups, and of no use after a restart of the
// host but in doubt: so it is not a file system in memory, if the user does not say so.
func StagingDir(getenv func(string) string) string {
	if dir := getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// report tells what a migration has cost.
func (x *source) report(out *ckpt.HandedOver) *group.MigrateReport {
	m, sent := out.Manifest, x.conn.Stats()
	r := &group.MigrateReport{
		To: x.verdict.Host, Took: time.Since(out.Began), Frozen: out.Ended.Sub(out.Frozen), Quiesce: out.Quiet.Sub(out.Frozen),
		CRIU: out.Dumped.Sub(out.Quiet), Bytes: sent.Sent, Sent: sent.SentWire, Pages: m.Stats.Pages,
		Processes: len(m.Processes), Rocks: len(m.Rocks), Sockets: m.Stats.Sockets, Drained: out.Drained,
		Warnings: append(append(out.Warnings, x.verdict.Warnings...), x.done.Warnings...),
	}
	if x.files != nil {
		r.Files, r.FileBytes = x.files.Files, x.files.Bytes
	}
	if x.ahead != nil {
		r.Precopied, r.Recalled, r.Rounds = x.ahead.size, x.sending.recalled, x.ahead.rounds
	}
	return r
}

// lookedError ends a dry run when both ends have looked.
type lookedError struct {
	host      string
	memory    int64
	bundle    *files.Bundle // nil: no files come along
	processes int
	problems  []survey.Problem
	warnings  []string
}

func (e *lookedError) Error() string { return "only looked" }

func (e *lookedError) report(took time.Duration) *group.MigrateReport {
	r := &group.MigrateReport{To: e.host, Took: took, Bytes: e.memory, Pages: e.memory / int64(os.Getpagesize()),
		Processes: e.processes, Warnings: e.warnings}
	if e.bundle != nil {
		r.Files, r.FileBytes = len(e.bundle.Items), e.bundle.Bytes()
	}
	for _, p := range e.problems {
		r.Problems = append(r.Problems, p.String())
	}
	return r
}

// arrivalOptions are the options of a restore that is the second half of a migration.
type arrivalOptions struct {
	ckpt.RestoreOptions
	Journal string `json:"journal"` // path of the journal, "" for another restore
}

func (o arrivalOptions) encode() []byte {
	b, _ := json.Marshal(o) // bools and a string
	return b
}

// Open opens an image. If it has just come from another host, its journal is kept.
func (e Engine) Open(ctx context.Context, r stage.Restore, progress func(group.Progress)) (supervise.Restorer, error) {
	var o arrivalOptions
	if len(r.Options) > 0 {
		if err := json.Unmarshal(r.Options, &o); err != nil {
			return nil, fmt.Errorf("decode options of the restore: %w", err)
		}
	}
	inner, err := e.Engine.Open(ctx, r, progress)
	if err != nil || o.Journal == "" {
		return inner, err
	}
	j, err := openJournal(o.Journal)
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	return &arriving{inner, j}, nil
}

// arriving is a restore that is noted in the journal.
type arriving struct {
	supervise.Restorer
	journal *journal
}

// Restore notes where the group will be, for who must kill it should this process die, when it is about to run, and that it does.
func (a *arriving) Restore(ctx context.Context, job supervise.RestoreJob) (*supervise.Restored, error) {
	if err := a.journal.jot(entry{State: stateArriving, Cell: job.Cell.Path()}); err != nil {
		return nil, err
	}
	decide := job.Ready
	job.Ready = func(ctx context.Context) error {
		if err := decide(ctx); err != nil {
			return err
		}
		return a.journal.note(entry{State: stateCommitted})
	}
	out, err := a.Restorer.Restore(ctx, job)
	if err != nil {
		// The files that came along, too, if the process that took them does not.
		return nil, errors.Join(err, thisTree.Undo(filepath.Dir(a.journal.f.Name())), a.journal.note(entry{State: stateNever}))
	}
	if err := a.journal.note(entry{State: stateRuns}); err != nil {
		job.Logger.Warn("journal of the migration", "error", err)
	}
	return out, nil
}

// Close lets go of the journal: what it says now is final.
func (a *arriving) Close() error { return errors.Join(a.Restorer.Close(), a.journal.close()) }
