package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Group is a group that lives, as [Dir.List] found it.
type Group struct {
	Info
	socket string
}

var (
	// ErrNoAnswer says that a group lives but does not answer.
	ErrNoAnswer = errors.New("the supervisor does not answer")
	// ErrNotReady is the ErrNoAnswer of a group that has just begun, or is about to be gone.
	ErrNotReady = errors.New("the group is just starting or ending")
)

// answerTime bounds how long a supervisor may take for an answer.
const answerTime = 5 * time.Second

// List returns the groups that live, oldest first. What dead supervisors left behind is removed. A
// group that does not answer in time (its supervisor is stopped, for instance) is listed with what
// the directory knows, its id and name, and an empty State; one that does not answer yet is Starting.
func (d *Dir) List(ctx context.Context) ([]Group, error) {
	ids, err := d.ids()
	if err != nil {
		return nil, err
	}
	var dead []string
	found := make(chan *Group)
	asked := 0
	for _, id := range ids {
		if !d.alive(id) {
			dead = append(dead, id)
			continue
		}
		asked++
		go func() { found <- d.look(ctx, id) }()
	}
	if len(dead) > 0 {
		d.sweep(dead)
	}
	var groups []Group
	for range asked {
		if g := <-found; g != nil {
			groups = append(groups, *g)
		}
	}
	sortGroups(groups)
	return groups, ctx.Err()
}

// look asks one group about itself; nil if it has just ended.
func (d *Dir) look(ctx context.Context, id string) *Group {
	g := &Group{Info: Info{ID: id, Name: d.name(id)}, socket: filepath.Join(d.path, id, "control")}
	r, err := g.ask(ctx, OpInfo)
	switch {
	case err == nil && r.Info != nil:
		g.Info = *r.Info
	case !d.alive(id):
		return nil
	case errors.Is(err, ErrNotReady):
		g.State = Starting
	}
	return g
}

// AskRocks asks the group for its rocks.
func (g *Group) AskRocks(ctx context.Context) ([]Rock, error) {
	r, err := g.ask(ctx, OpConns)
	if err != nil {
		return nil, fmt.Errorf("ask group %s for its rocks: %w", g.ID, err)
	}
	return r.Rocks, nil
}

// ask performs one request.
func (g *Group) ask(ctx context.Context, op string) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var answer *Reply
	err := g.converse(ctx, Request{Op: op}, nil, 0, func(r *Reply, _ func(string) error) (bool, error) {
		answer = r
		return false, nil
	})
	return answer, err
}

func noAnswer(err error) error {
	// Not there yet, nor any more; or there still, but its server has closed.
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		err = ErrNotReady
	}
	return fmt.Errorf("%w: %w", ErrNoAnswer, err)
}
