package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is a runtime directory: the place where the groups of one user (or, in tests, of one
// pretended host) are registered. Each has a subdirectory named by its id:
//
//	ID/lock      locked by the supervisor as long as it lives (flock(2))
//	ID/name      the group's name, if it has one
//	ID/control   the control socket
//
// A subdirectory whose lock is free belongs to a supervisor that died; whoever sees it
// removes it. It appears complete and locked, by a rename.
type Dir struct{ path string }

// OpenDir returns the runtime directory in force and makes it if need be:
// $ROCK_RUNTIME_DIR, else $XDG_RUNTIME_DIR/rock, else /run/rock for root and
// /tmp/rock-UID for others. It must belong to this user (root may look into
// others') and be closed to all others. The environment is asked through getenv.
func OpenDir(getenv func(string) string) (*Dir, error) {
	path, err := filepath.Abs(dirPath(getenv, os.Geteuid()))
	if err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("runtime directory: %w; set ROCK_RUNTIME_DIR to a directory of your own", err)
	}
	return &Dir{path}, nil
}

func dirPath(getenv func(string) string, uid int) string {
	if dir := getenv("ROCK_RUNTIME_DIR"); dir != "" {
		return dir
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rock")
	}
	if uid == 0 {
		return "/run/rock"
	}
	// Anybody may make this one first, so makeDir looks whose it is.
	return "/tmp/rock-" + strconv.Itoa(uid)
}

// makeDir makes path, whose parent may be missing too, and checks that nobody else has a say in it.
func makeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	if err == nil {
		return os.Chmod(path, 0o700) // whatever the umask took away
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	uid := os.Geteuid()
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != uid && uid != 0 {
		return fmt.Errorf("%s belongs to user %d, not to you (%d)", path, owner, uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o, want 0700)", path, info.Mode().Perm())
	}
	return nil
}

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// lock keeps all others from registering and removing groups until the function returned is
// called.
func (d *Dir) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.path, ".lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock runtime directory: %w", err)
	}
	if err := flock(f, unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock runtime directory %s: %w", d.path, err)
	}
	return func() { _ = f.Close() }, nil
}

// flock locks a file, as flock(2), whatever signals come.
func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}
