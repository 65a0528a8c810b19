package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/zeebo/xxh3"
)

const (
	// pieceSize is part of the format: a larger file is summed in pieces of that size, on all processors, so
	// that one large process does not take longer than several that are as large together.
	pieceSize = 8 << 20

	readSize = 256 << 10 // stays in a processor's cache
)

// piece is a part of a file.
type piece struct {
	file   int
	offset int64
	size   int64
	sum    uint64
}

// errSize says that a file's size is not what it should be.
type errSize struct {
	name      string
	got, want int64
}

func (e *errSize) Error() string {
	return fmt.Sprintf("%s is %d bytes long, not %d", e.name, e.got, e.want)
}

// sum computes the checksums of files, whose names and sizes are given. The error may be an [*errSize].
func sum(ctx context.Context, root *os.Root, files []Sum, progress func(done, total int64)) error {
	pieces, total := cut(files)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu      sync.Mutex // next, done, and calls of progress
		next    int
		done    int64
		workers sync.WaitGroup
	)
	take := func(finished int64) *piece {
		mu.Lock()
		defer mu.Unlock()
		done += finished
		if progress != nil && (finished > 0 || next == 0) {
			progress(done, total)
		}
		if next == len(pieces) {
			return nil
		}
		next++
		return &pieces[next-1]
	}
	for range min(runtime.GOMAXPROCS(0), len(pieces)) {
		workers.Go(func() {
			buf := make([]byte, readSize)
			for p := take(0); p != nil; p = take(p.size) {
				if err := p.read(ctx, root, files[p.file], buf); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fold(files, pieces)
	return nil
}

// cut divides files into pieces, in order. An empty file has one too.
func cut(files []Sum) (pieces []piece, total int64) {
	for i, s := range files {
		for offset := int64(0); offset == 0 || offset < s.Size; offset += pieceSize {
			pieces = append(pieces, piece{file: i, offset: offset, size: min(s.Size-offset, pieceSize)})
		}
		total += s.Size
	}
	return pieces, total
}

// read computes the checksum of a piece.
func (p *piece) read(ctx context.Context, root *os.Root, s Sum, buf []byte) error {
	f, err := root.Open(s.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != s.Size {
		return &errSize{s.Name, info.Size(), s.Size}
	}
	h := xxh3.New()
	for offset, end := p.offset, p.offset+p.size; offset < end; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		part := buf[:min(int64(len(buf)), end-offset)]
		n, err := f.ReadAt(part, offset)
		h.Write(part[:n]) // never fails
		offset += int64(n)
		if errors.Is(err, io.EOF) && offset < end {
			return &errSize{s.Name, offset, s.Size}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	p.sum = h.Sum64()
	return nil
}

// fold makes the checksums of files from those of their pieces: of one piece it is that of the file, else
// it is that of the checksums of the pieces.
func fold(files []Sum, pieces []piece) {
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].file == pieces[0].file {
			n++
		}
		s := &files[pieces[0].file]
		if s.Sum = pieces[0].sum; n > 1 {
			var sums []byte
			for _, p := range pieces[:n] {
				sums = binary.BigEndian.AppendUint64(sums, p.sum)
			}
			s.Sum = xxh3.Hash(sums)
		}
		pieces = pieces[n:]
	}
}

// sumBytes is the checksum of a file with these contents.
func sumBytes(b []byte) uint64 {
	var s Summer
	s.Write(b) // never fails
	return s.Sum64()
}
