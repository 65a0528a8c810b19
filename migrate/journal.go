package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rock/migrate/files"
	"rock/rocks/group"
)

// States of a migration in the journal of the target.
//
//	arriving ── committed ── runs
//	    └──────────┴──────── never
const (
	stateArriving  = "arriving"  // the image comes
	stateCommitted = "committed" // the source has given it up
	stateRuns      = "runs"      // final: it lives here
	stateNever     = "never"     // final: it never will
)

// entry is a line of a journal, in JSON.
type entry struct {
	State string    `json:"state"`
	Cell  string    `json:"cell,omitempty"` // of the group, since it is restored
	When  time.Time `json:"when"`
}

// journal is the file in which the target keeps what has become of a migration. Whoever has a part in it holds a shared
// lock, which the kernel releases if it dies: who gets the exclusive one finds the last word, or has it.
type journal struct{ f *os.File }

// Names of what the target keeps of a migration, in a directory that only root can read.
const (
	placePrefix = "rock-migrate-"
	journalFile = "journal"
	imageDir    = "image"
	imagePrefix = "of-" // and the id of the group
)

var validToken = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// placeOf returns the directory of a migration.
func placeOf(staging, token string) (string, error) {
	if !validToken.MatchString(token) {
		return "", fmt.Errorf("%q is no name of a migration", token)
	}
	return filepath.Join(staging, placePrefix+token), nil
}

// createJournal makes the directory of a migration, and its journal.
func createJournal(place string) (*journal, error) {
	if err := os.Mkdir(place, 0o700); err != nil {
		return nil, fmt.Errorf("begin migration: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(place, journalFile), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin migration: %w", err)
	}
	j := &journal{f}
	if err := errors.Join(flock(f, unix.LOCK_SH), j.note(entry{State: stateArriving})); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// openJournal takes part in a migration that was begun.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open journal of migration: %w", err)
	}
	if st, err := f.Stat(); err != nil || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		f.Close()
		return nil, fmt.Errorf("open journal of migration: %s belongs to another user", path)
	}
	if err := flock(f, unix.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("open journal of migration: %w", err)
	}
	return &journal{f}, nil
}

// note adds an entry, for good.
func (j *journal) note(e entry) error {
	err := j.write(e)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("write journal of migration: %w", err)
	}
	return nil
}

// jot adds an entry that need not outlive a crash of this host. It does not wait for the disk. That is set to work,
// though: with an image of 1 GB on its way a file system may have so much to write that the next note would wait for
// half a second.
func (j *journal) jot(e entry) error {
	if err := j.write(e); err != nil {
		return fmt.Errorf("write journal of migration: %w", err)
	}
	go func() { _ = j.f.Sync() }() // which keeps the file open until it is done
	return nil
}

// write adds an entry, which others see from then on.
func (j *journal) write(e entry) error {
	e.When = time.Now()
	b, err := json.Marshal(e)
	if err == nil {
		_, err = j.f.Write(append(b, '\n'))
	}
	return err
}

// last returns the last entry that is whole, with the cell of an earlier one.
func (j *journal) last() (entry, error) {
	b, err := io.ReadAll(io.NewSectionReader(j.f, 0, 1<<20))
	if err != nil {
		return entry{}, fmt.Errorf("read journal of migration: %w", err)
	}
	var last entry
	for line := range bytes.Lines(b) {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue // cut off by a crash
		}
		if e.Cell == "" {
			e.Cell = last.Cell
		}
		last = e
	}
	return last, nil
}

func (j *journal) close() error { return j.f.Close() }

// alone waits until nobody else has a part in it.
func (j *journal) alone(ctx context.Context) error {
	for {
		err := flock(j.f, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("the restore is still under way there")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// sweepAge is how long the journal of a migration is kept: a source in doubt may ask late.
const sweepAge = 14 * 24 * time.Hour

// sweep comes to an end with earlier migrations whose processes have died, and removes what they have left: all of old
// ones, and of others what is of no use any more. id is the group that is to come now.
func sweep(staging, id string) {
	places, _ := filepath.Glob(filepath.Join(staging, placePrefix+"*"))
	for _, p := range places {
		if info, err := os.Lstat(p); err == nil && info.IsDir() {
			sweepPlace(p, id, time.Since(info.ModTime()) >= sweepAge)
		}
	}
}

// sweepPlace does so with one.
func sweepPlace(place, id string, old bool) {
	j, err := openJournal(filepath.Join(place, journalFile))
	if errors.Is(err, fs.ErrNotExist) && old && !hasLedger(place) {
		_ = os.RemoveAll(place)
	}
	if err != nil {
		return
	}
	defer j.close()
	if flock(j.f, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return // it is under way
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	answer, err := finish(ctx, j, place)
	switch {
	case err != nil: // it is tried again the next time
	case old:
		_ = os.RemoveAll(place)
	default:
		sweepImage(place, id, answer)
	}
}

// hasLedger says whether there is a list of files that came along and are to be put back.
func hasLedger(place string) bool {
	_, err := os.Lstat(filepath.Join(place, files.LedgerFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// sweepImage removes an image that is not whole, runs, or is of the group that comes now from elsewhere. Another may be all
// that is left of its group.
func sweepImage(place, id, answer string) {
	dir := filepath.Join(place, imageDir)
	if _, err := os.Lstat(filepath.Join(dir, imagePrefix+id)); err == nil || answer == group.AnswerRuns {
		_ = os.RemoveAll(dir)
		return
	}
	drafts, _ := filepath.Glob(filepath.Join(dir, ".*"))
	for _, d := range drafts {
		_ = os.RemoveAll(d)
	}
	_ = os.Remove(dir) // if it is empty
}
