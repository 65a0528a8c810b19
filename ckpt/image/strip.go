package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	criu_core "github.com/checkpoint-restore/go-criu/v7/crit/images/criu-core"
	"github.com/checkpoint-restore/go-criu/v7/crit/images/seccomp"
)

const seccompFile = "seccomp.img"

// StripFilter takes our seccomp filter out of CRIU's images in a directory, which is a [Draft]'s: a restored filter
// has lost its listener, and what it traps fails with ENOSYS. Instead CRIU is run under a new one when it restores.
//
// ours is given the oldest filter of each thread, as an array of struct sock_filter. If it says yes the filter is
// cut; the program's own, which are newer, stay. stripped is how many threads CRIU has recorded it for: only
// the first of a process if all of its threads have the same filters.
//
// After an error the images may be changed in part, and are of no use.
func StripFilter(dir string, ours func(filter []byte) bool) (stripped int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("strip filter from images: %w", err)
	}
	defer root.Close()
	s := stripper{root: root, ours: ours}
	if err := s.run(); err != nil {
		return 0, fmt.Errorf("strip filter from images in %s: %w", dir, err)
	}
	return s.stripped, nil
}

type stripper struct {
	root     *os.Root
	ours     func([]byte) bool
	filters  []*seccomp.SeccompFilter // of all threads; Prev is the index of the next newer one
	stripped int
	left     bool // a thread has a filter that is not ours
}

func (s *stripper) run() error {
	entries, err := readEntries(s.root, seccompFile, seccompMagic)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil // nobody has a filter
	} else if err != nil {
		return err
	}
	var all seccomp.SeccompEntry
	if err := unmarshal(entries[0], &all); err != nil {
		return fmt.Errorf("decode %s: %w", seccompFile, err)
	}
	s.filters = all.SeccompFilters
	cores, err := fs.Glob(s.root.FS(), "core-*.img")
	if err != nil {
		return err
	}
	for _, name := range cores {
		if err := s.core(name); err != nil {
			return err
		}
	}
	if s.stripped == 0 || s.left {
		return nil // filters that nobody refers to do no harm
	}
	entries[0] = nil
	return writeEntries(s.root, seccompFile, seccompMagic, entries)
}

// core strips the filter from a thread.
func (s *stripper) core(name string) error {
	entries, err := readEntries(s.root, name, coreMagic)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("%s is empty", name)
	}
	var core criu_core.CoreEntry
	if err := unmarshal(entries[0], &core); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	before := s.stripped
	if t := core.ThreadCore; t != nil {
		if err := s.cut(&t.SeccompMode, &t.SeccompFilter); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if t := core.Tc; t != nil { // where CRIU before 3.9 had it
		if err := s.cut(&t.OldSeccompMode, &t.OldSeccompFilter); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if s.stripped == before {
		return nil
	}
	if entries[0], err = marshal(&core); err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return writeEntries(s.root, name, coreMagic, entries)
}

// cut cuts off the oldest filter of a thread, to which index leads.
func (s *stripper) cut(mode **criu_core.SeccompMode, index **uint32) error {
	if *mode == nil || **mode != criu_core.SeccompMode_filter {
		return nil
	}
	if *index == nil || uint64(**index) >= uint64(len(s.filters)) {
		return errors.New("has a seccomp filter that " + seccompFile + " has not")
	}
	oldest := s.filters[**index]
	switch {
	case !s.ours(oldest.Filter):
		s.left = true
		return nil
	case oldest.Prev == nil:
		*mode, *index = nil, nil
	case uint64(*oldest.Prev) >= uint64(len(s.filters)):
		return errors.New("has a seccomp filter that " + seccompFile + " has not")
	default:
		*index = oldest.Prev
		s.left = true
	}
	s.stripped++
	return nil
}
