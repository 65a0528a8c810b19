package group

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNameTaken says that another group has the name.
var ErrNameTaken = errors.New("the name is taken")

// Registration is the place of a group in the runtime directory.
type Registration struct {
	ID   string
	path string
	lock *os.File
}

// Register makes a place for a new group. The name may be empty; else no other group that lives
// may have it (ErrNameTaken) and [CheckName] must like it. A group that comes back from an image
// brings its id, which no group that lives may have (ErrAlive); else id is empty.
func (d *Dir) Register(name, id string) (*Registration, error) {
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if id != "" { // first: a group that lives has its name, too
		if err := d.checkDead(id); err != nil {
			return nil, err
		}
	}
	if name != "" {
		if err := CheckName(name); err != nil {
			return nil, err
		}
		if err := d.checkFree(name); err != nil {
			return nil, err
		}
	}
	if id == "" {
		for id = newID(); !d.unused(id); {
			id = newID()
		}
	}
	r, err := d.create(name, id)
	if err != nil {
		return nil, fmt.Errorf("register group: %w", err)
	}
	return r, nil
}

// Inherit takes over the place of a group whose supervisor has died, with the descriptor of its lock, which has been open all the time:
// for others the group has never been dead.
func (d *Dir) Inherit(id string, lock *os.File) (*Registration, error) {
	if !validID(id) {
		return nil, fmt.Errorf("inherit the place of a group: %q is no id of a group", id)
	}
	return &Registration{ID: id, path: filepath.Join(d.path, id), lock: lock}, nil
}

// Vacant says whether a group that comes from elsewhere has room here: its error is what [Dir.Register] would say of name and id.
func (d *Dir) Vacant(name, id string) error {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if !validID(id) {
		return fmt.Errorf("%q is no id of a group", id)
	}
	if d.alive(id) {
		return fmt.Errorf("%w: see rockctl ls for %s", ErrAlive, id)
	}
	if name == "" {
		return nil
	}
	if err := CheckName(name); err != nil {
		return err
	}
	return d.checkFree(name)
}

// checkFree says whether a group that lives has the name. The directory must be locked.
func (d *Dir) checkFree(name string) error {
	ids, err := d.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if d.name(id) != name {
			continue
		}
		if d.alive(id) {
			return fmt.Errorf("%w: group %s is called %s", ErrNameTaken, id, name)
		}
		d.remove(id)
	}
	return nil
}

// ErrAlive says that the group lives already.
var ErrAlive = errors.New("the group is running")

// checkDead says whether a group that lives has the id, and makes room for one that comes back. The
// directory must be locked.
func (d *Dir) checkDead(id string) error {
	if !validID(id) {
		return fmt.Errorf("register group: %q is no id of a group", id)
	}
	if d.alive(id) {
		return fmt.Errorf("%w: see rockctl ls for %s", ErrAlive, id)
	}
	d.remove(id)
	return d.recall(id)
}

// create makes the subdirectory.
func (d *Dir) create(name, id string) (*Registration, error) {
	r := &Registration{ID: id}
	r.path = filepath.Join(d.path, r.ID)
	d.removeDrafts()
	draft, err := os.MkdirTemp(d.path, draftPrefix)
	if err != nil {
		return nil, err
	}
	if err = r.fill(draft, name); err == nil {
		err = os.Rename(draft, r.path)
	}
	if err != nil {
		_ = os.RemoveAll(draft)
		return nil, err
	}
	return r, nil
}

// draftPrefix begins the name of a subdirectory that is not complete yet.
const draftPrefix = ".new-"

// removeDrafts removes what died while it was made: the directory is locked, so nobody
// is at it.
func (d *Dir) removeDrafts() {
	drafts, _ := filepath.Glob(filepath.Join(d.path, draftPrefix+"*"))
	for _, draft := range drafts {
		_ = os.RemoveAll(draft)
	}
}

func (d *Dir) unused(id string) bool {
	_, err := os.Lstat(filepath.Join(d.path, id))
	return errors.Is(err, os.ErrNotExist)
}

func (r *Registration) fill(draft, name string) (err error) {
	if name != "" {
		if err := os.WriteFile(filepath.Join(draft, "name"), []byte(name), 0o600); err != nil {
			return err
		}
	}
	if r.lock, err = os.OpenFile(filepath.Join(draft, "lock"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	return flock(r.lock, unix.LOCK_EX)
}

// Lock returns the file whose lock says that the group lives. It stays the Registration's.
func (r *Registration) Lock() *os.File { return r.lock }

// ControlPath returns the path of the control socket.
func (r *Registration) ControlPath() string { return filepath.Join(r.path, "control") }

// Close removes the group from the runtime directory.
func (r *Registration) Close() error {
	err := os.RemoveAll(r.path)
	if closeErr := r.lock.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ids returns the ids of all groups, dead ones too.
func (d *Dir) ids() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && validID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// name returns the name of a group, "" for none.
func (d *Dir) name(id string) string {
	b, err := os.ReadFile(filepath.Join(d.path, id, "name"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// alive says whether the supervisor of a group lives. id may be the name of any subdirectory.
func (d *Dir) alive(id string) bool {
	f, err := os.Open(filepath.Join(d.path, id, "lock"))
	if err != nil {
		return false
	}
	defer f.Close()
	// Shared, so that two who look at the same time do not take each other for the supervisor.
	return flock(f, unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// remove removes what a dead supervisor left. The directory must be locked.
func (d *Dir) remove(id string) { _ = os.RemoveAll(filepath.Join(d.path, id)) }

// sweep removes the groups in ids that are dead.
func (d *Dir) sweep(ids []string) {
	unlock, err := d.lock()
	if err != nil {
		return // not ours to write, or full: they stay
	}
	defer unlock()
	for _, id := range ids {
		if !d.alive(id) {
			d.remove(id)
		}
	}
}
