package once

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// authorizedKeys is the file by which sshd lets the user in (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
type authorizedKeys struct {
	path string
	zone *time.Location // sshd's
}

// inHome is the one that sshd looks at unless it is told otherwise.
func inHome(home string) authorizedKeys {
	zone := time.UTC
	// sshd takes times for those of the host, whatever TZ is for the user.
	if b, err := os.ReadFile("/etc/localtime"); err == nil {
		if z, err := time.LoadLocationFromTZData("", b); err == nil {
			zone = z
		}
	}
	return authorizedKeys{filepath.Join(home, ".ssh", "authorized_keys"), zone}
}

// comment begins the comment of our lines: the time when the line expires, in seconds since 1970, and a number follow.
const comment = "rockd-once-"

var ours = regexp.MustCompile(` ` + comment + `(\d+)-[0-9a-f]+$`)

// onlyKey is the form of a public key.
var onlyKey = regexp.MustCompile(`^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$`)

// add lets a key in until a time, with options of sshd's. It returns the line.
func (k authorizedKeys) add(key string, options []string, name string, until time.Time) (line string, err error) {
	if !onlyKey.MatchString(key) {
		return "", errors.New("that is no key")
	}
	options = append(slices.Clone(options), `expiry-time="`+until.In(k.zone).Format("20060102150405")+`"`)
	line = fmt.Sprintf("%s %s %s%d-%s", strings.Join(options, ","), key, comment, until.Unix(), name)
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		return "", fmt.Errorf("let a key in: %w", err)
	}
	if err := k.change(func(lines []string) []string { return append(lines, line) }); err != nil {
		return "", fmt.Errorf("let a key in: %w", err)
	}
	return line, nil
}

// remove takes lines out, and those that an earlier rockd has left.
func (k authorizedKeys) remove(now time.Time, lines ...string) error {
	err := k.change(func(all []string) []string {
		return slices.DeleteFunc(all, func(l string) bool { return slices.Contains(lines, l) || expired(l, now) })
	})
	if err != nil {
		return fmt.Errorf("remove a key: %w", err)
	}
	return nil
}

func expired(line string, now time.Time) bool {
	m := ours.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	until, err := strconv.ParseInt(m[1], 10, 64)
	return err == nil && now.Unix() > until
}

// change replaces the file by one with other lines, unless they are the same. Two rockd take turns.
func (k authorizedKeys) change(edit func(lines []string) []string) error {
	path := k.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	mode := fs.FileMode(0o600)
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var lines []string
	if text := strings.TrimSuffix(string(before), "\n"); text != "" {
		lines = strings.Split(text, "\n")
	}
	after := []byte(strings.Join(edit(slices.Clone(lines)), "\n") + "\n")
	if len(after) == 1 {
		after = nil
	}
	if bytes.Equal(bytes.TrimSuffix(before, []byte("\n")), bytes.TrimSuffix(after, []byte("\n"))) {
		return nil
	}
	return replace(path, after, mode)
}

// replace writes a file that nobody ever sees half written.
func replace(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".rockd-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
