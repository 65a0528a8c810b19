package group

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rock/rocks/group/stage"
)

// Errors of Resolve.
var (
	ErrNoGroup   = errors.New("no such group")
	ErrAmbiguous = errors.New("several groups match")
)

// Resolve returns the group that a user means: by its id, its name, the pid of a process in
// it, or the beginning of its id if that is unique. They are tried in this order.
func Resolve(groups []Group, what string) (*Group, error) {
	pid, pidErr := strconv.Atoi(what)
	ways := []func(*Group) bool{
		func(g *Group) bool { return g.ID == what },
		func(g *Group) bool { return g.Name != "" && g.Name == what },
		func(g *Group) bool { return pidErr == nil && g.Front == pid },
		func(g *Group) bool { return strings.HasPrefix(g.ID, what) },
	}
	if g := groupOf(groups, pid); g != nil && pidErr == nil {
		ways[2] = func(other *Group) bool { return g == other }
	}
	for _, matches := range ways {
		var found []*Group
		for i := range groups {
			if matches(&groups[i]) {
				found = append(found, &groups[i])
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, fmt.Errorf("%w: %s is the beginning of %s; use more of it", ErrAmbiguous, what, ids(found))
		}
	}
	return nil, fmt.Errorf("%w: %s; rockctl ls shows all", ErrNoGroup, what)
}

func ids(groups []*Group) string {
	var s []string
	for _, g := range groups {
		s = append(s, g.ID)
	}
	return strings.Join(s, ", ")
}

// groupOf returns the group that a process belongs to, nil for none: all its processes descend
// from the supervisor, or if that is an heir from the front. In a group within a group it is the inner one.
func groupOf(groups []Group, pid int) *Group {
	for range 1 << 10 { // far deeper than any tree, in case it changes under us
		if pid <= 1 {
			return nil
		}
		for i := range groups {
			if groups[i].Supervisor == pid || groups[i].Front == pid {
				return &groups[i]
			}
		}
		p, err := stage.ReadProcess(pid)
		if err != nil {
			return nil
		}
		pid = p.Parent
	}
	return nil
}

func sortGroups(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
}
