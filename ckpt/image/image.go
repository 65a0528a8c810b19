package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Image is a complete image that is open. Its methods may be called concurrently, except for Close.
type Image struct {
	dir      string
	root     *os.Root
	file     *os.File // locked
	manifest *Manifest
}

// Open opens an image and checks its manifest, and that the files are there with their sizes and nothing
// else is; it does not read them. If the image is just about to be committed or removed, it waits for that.
//
// Errors: [*CorruptError], also for a directory that is no image; [*AccessError] if others can read or write it, or it
// belongs to another user than this one and root; [*VersionError]; or an [fs.ErrNotExist].
func Open(dir string) (*Image, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	i := &Image{dir: dir, root: root}
	if i.file, err = root.Open("."); err != nil {
		err = fmt.Errorf("open image: %w", err)
	} else if err = lock(i.file, unix.LOCK_SH); err != nil {
		err = fmt.Errorf("open image %s: %w", dir, err)
	} else {
		err = i.check()
	}
	if err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// Manifest returns the manifest, which must not be changed.
func (i *Image) Manifest() *Manifest { return i.manifest }

// Dir is the absolute path of the image.
func (i *Image) Dir() string { return i.dir }

// File is the open directory, for CRIU's images_dir_fd. CRIU needs another directory as its work_dir, as
// what it writes there does not belong to an image. It is closed by Close.
func (i *Image) File() *os.File { return i.file }

// Close closes the image.
func (i *Image) Close() error {
	var err error
	if i.file != nil {
		err = i.file.Close()
	}
	return errors.Join(err, i.root.Close())
}

// corrupt returns a [*CorruptError].
func (i *Image) corrupt(file, what string, args ...any) error {
	return &CorruptError{i.dir, file, fmt.Sprintf(what, args...)}
}

// check reads the manifest and compares the directory with it.
func (i *Image) check() error {
	info, err := i.file.Stat()
	if err != nil {
		return fmt.Errorf("open image: %w", err)
	}
	if err := i.access("", info); err != nil {
		return err
	}
	sizes, err := i.sizes()
	if err != nil {
		return err
	}
	if _, there := sizes[ManifestFile]; !there {
		return i.corrupt(ManifestFile, "is missing: this is no image")
	}
	b, err := i.read(ManifestFile, int64(headSum+mostBody))
	if err != nil {
		return err
	}
	m, err := decode(b)
	if version, ok := errors.AsType[*VersionError](err); ok {
		return fmt.Errorf("open image %s: %w", i.dir, version)
	} else if err != nil {
		return i.corrupt(ManifestFile, "%v", err)
	}
	i.manifest = m
	return i.compare(sizes)
}

// access says whether nobody else can get at the directory, or a file in it.
func (i *Image) access(name string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return &AccessError{i.dir, name, fmt.Sprintf("is open to others (mode %04o), and an image holds keys: chmod -R go= %s",
			info.Mode().Perm(), i.dir)}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); ok && st.Uid != 0 && int(st.Uid) != uid {
		return &AccessError{i.dir, name, fmt.Sprintf("belongs to uid %d, neither to root nor to uid %d", st.Uid, uid)}
	}
	return nil
}

// sizes returns the sizes of all files by their names.
func (i *Image) sizes() (map[string]int64, error) {
	entries, err := fs.ReadDir(i.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("open image: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, i.corrupt(e.Name(), "is no regular file")
		}
		if err := i.access(e.Name(), info); err != nil {
			return nil, err
		}
		sizes[e.Name()] = info.Size()
	}
	return sizes, nil
}

// compare compares the files with the manifest.
func (i *Image) compare(sizes map[string]int64) error {
	for _, s := range i.manifest.Sums {
		size, there := sizes[s.Name]
		if !there {
			return i.corrupt(s.Name, "is missing")
		}
		if size != s.Size {
			return i.corrupt(s.Name, "is %d bytes long, not %d as it was", size, s.Size)
		}
		delete(sizes, s.Name)
	}
	delete(sizes, ManifestFile)
	delete(sizes, ClaimFile)
	for name := range sizes {
		return i.corrupt(name, "does not belong to the image")
	}
	return nil
}

// read reads a file of at most so many bytes.
func (i *Image) read(name string, most int64) ([]byte, error) {
	f, err := i.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	if info.Size() > most {
		return nil, i.corrupt(name, "is %d bytes long, at most %d are allowed", info.Size(), most)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("read image: %s: %w", filepath.Join(i.dir, name), err)
	}
	return b, nil
}

// Rocks returns the contents of [RocksFile]. The error is a [*CorruptError] if its checksum does not match.
func (i *Image) Rocks() ([]byte, error) {
	n, _ := slices.BinarySearchFunc(i.manifest.Sums, RocksFile, func(s Sum, name string) int { return strings.Compare(s.Name, name) })
	s := i.manifest.Sums[n] // check has found it
	b, err := i.read(RocksFile, s.Size)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != s.Size || sumBytes(b) != s.Sum {
		return nil, i.corrupt(RocksFile, "does not match its checksum")
	}
	return b, nil
}

// Verify reads all files and compares their checksums. The error is a [*CorruptError] for the first, by
// name, that is not as it was. progress is called as by [Draft.Commit].
func (i *Image) Verify(ctx context.Context, progress func(done, total int64)) error {
	files := slices.Clone(i.manifest.Sums)
	err := sum(ctx, i.root, files, progress)
	if size, ok := errors.AsType[*errSize](err); ok {
		return i.corrupt(size.name, "is %d bytes long, not %d as it was", size.got, size.want)
	} else if err != nil {
		return fmt.Errorf("verify image %s: %w", i.dir, err)
	}
	for n, s := range i.manifest.Sums {
		if files[n].Sum != s.Sum {
			return i.corrupt(s.Name, "does not match its checksum")
		}
	}
	return nil
}
