package group

import (
	"fmt"
	"strings"
)

// Set returns the members of a set: the groups that are called NAME, or NAME and a dot and more. Their names tell them apart, on
// this host and others.
func Set(groups []Group, name string) ([]*Group, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("--set: %w", err)
	}
	var members []*Group
	for i := range groups {
		if g := &groups[i]; InSet(g.Name, name) {
			members = append(members, g)
		}
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w in the set %s: its members are called %s.SOMETHING; rockctl ls shows all", ErrNoGroup, name, name)
	}
	return members, nil
}

// InSet says whether a group with a name is a member of a set.
func InSet(name, set string) bool { return name == set || strings.HasPrefix(name, set+".") }
