package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A group that has gone to another host leaves its supervisor here for a while, which tells peers where it is now. Its
// subdirectory then has another name, so that the group's id and name are free.

// retiredPrefix begins the name of such a subdirectory; the id follows.
const retiredPrefix = ".moved-"

// leaveTime is how long a supervisor may take to make room for its group, which comes back.
const leaveTime = 3 * time.Second

// waitGone waits until a group that has ended, or gone elsewhere, has left its place, so that whoever is told of that can bring
// it back at once. A supervisor that takes longer than leaveTime keeps nobody from what was asked of it.
func (g *Group) waitGone(ctx context.Context) {
	place := filepath.Dir(g.socket)
	d, name := &Dir{filepath.Dir(place)}, filepath.Base(place)
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	d.awaitDead(ctx, name)
}

// awaitDead waits until the supervisor of a group has let go of its subdirectory, which may have any name, and says whether it has
// before ctx is done.
func (d *Dir) awaitDead(ctx context.Context, name string) bool {
	for d.alive(name) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(leavePause):
		}
	}
	return true
}

// leavePause is how often that is looked at.
const leavePause = 5 * time.Millisecond

// Retire takes the group out of the runtime directory and keeps the control socket, for [Dir.Register] to find when the
// group comes back.
func (r *Registration) Retire() error {
	dir := &Dir{filepath.Dir(r.path)}
	unlock, err := dir.lock()
	if err != nil {
		return err
	}
	defer unlock()
	dir.sweepRetired()
	to := filepath.Join(dir.path, retiredPrefix+r.ID)
	if err := os.Rename(r.path, to); err != nil {
		return fmt.Errorf("retire group: %w", err)
	}
	r.path = to
	return nil
}

// sweepRetired removes what died. The directory must be locked.
func (d *Dir) sweepRetired() {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), retiredPrefix) && !d.alive(e.Name()) {
			d.remove(e.Name())
		}
	}
}

// recall has what is left here of a group that comes back end, so that its port is free. The directory must
// be locked.
func (d *Dir) recall(id string) error {
	name := retiredPrefix + id
	if d.unused(name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	old := &Group{Info: Info{ID: id}, socket: filepath.Join(d.path, name, "control")}
	_, err := old.ask(ctx, OpLeave)
	if !d.awaitDead(ctx, name) {
		return errors.Join(fmt.Errorf("group %s: what it left here when it went to another host does not end", id), err)
	}
	d.remove(name)
	return nil
}
