package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"golang.org/x/sys/unix"
)

// LedgerFile is the name of the list in the directory of a migration.
const LedgerFile = "files"

// What a line of the list says that is about to be done.
const (
	doTemp = "temp" // make the file Path, which is hidden
	doMake = "make" // make the directory Path
	doPut  = "put"  // give the file Temp the name Path
)

// line is a line of the list, in JSON.
type line struct {
	Do     string `json:"do"`
	Path   text   `json:"path"`
	Temp   text   `json:"temp,omitempty"`
	Device uint64 `json:"device,omitempty"` // of Temp, with Inode
	Inode  uint64 `json:"inode,omitempty"`
	Backup text   `json:"backup,omitempty"` // the name that what is at Path gets; "" if there is nothing
	Was    uint64 `json:"was,omitempty"`    // the inode of that
}

// text is a path, which may have any bytes: in JSON it is as in a URL.
type text string

func (p text) MarshalText() ([]byte, error) {
	u := url.URL{Path: string(p)}
	return []byte(u.EscapedPath()), nil
}

func (p *text) UnmarshalText(b []byte) error {
	s, err := url.PathUnescape(string(b))
	*p = text(s)
	return err
}

// ledger is the list of what is done on the target. Its lines are written before it is done.
type ledger struct{ f *os.File }

func createLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin the list of files: %w", err)
	}
	return &ledger{f}, nil
}

// note adds lines.
func (l *ledger) note(lines ...line) error {
	var b bytes.Buffer
	for _, one := range lines {
		if err := json.NewEncoder(&b).Encode(one); err != nil {
			return fmt.Errorf("list files: %w", err)
		}
	}
	if _, err := l.f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	return nil
}

// sync makes sure that it survives the host.
func (l *ledger) sync() error { return l.f.Sync() }

func (l *ledger) close() error { return l.f.Close() }

// withLedger calls f with all lines of a list, if there is one, and removes it if f is successful. Of several at a time one does it.
func withLedger(path string, f func([]line) error) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the list of files: %w", err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("read the list of files: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Nlink == 0 {
		return err // somebody else has done it
	}
	b, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read the list of files: %w", err)
	}
	var lines []line
	for l := range bytes.Lines(b) {
		var one line
		if json.Unmarshal(l, &one) == nil { // else it was cut off, and not done
			lines = append(lines, one)
		}
	}
	if err := f(lines); err != nil {
		return err
	}
	return os.Remove(path)
}
