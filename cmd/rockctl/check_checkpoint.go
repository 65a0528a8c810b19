package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"rock/ckpt/criu"
	"rock/ckpt/freeze"
	"rock/ckpt/survey"
)

// checkpointFacts are what was tried out for checkpoints. Without root only CRIU is looked for.
type checkpointFacts struct {
	root     bool
	tool     criu.Tool
	version  criu.Version
	findErr  error // there is no CRIU, or it does not tell its version
	problems []survey.Problem
	warnings []survey.Problem
	freezer  int // version of the cgroups in which groups are frozen
	frozeErr error
	usable   error          // of CRIU; not tried if there are problems, which would be its too
	features []criu.Feature // nil: not tried
}

// tryCheckpoint tries out what checkpoints need.
func tryCheckpoint(ctx context.Context) checkpointFacts {
	f := checkpointFacts{root: os.Geteuid() == 0}
	if f.tool, f.findErr = criu.Find(os.Getenv); f.findErr == nil {
		f.version, f.findErr = f.tool.Version(ctx)
	}
	if !f.root {
		return f
	}
	f.problems, f.warnings = survey.Capabilities()
	f.freezer, f.frozeErr = tryFreezer(ctx)
	if f.findErr == nil && len(f.problems) == 0 {
		f.usable = f.tool.Usable(ctx)
		f.features = f.tool.Features(ctx)
	}
	return f
}

// tryFreezer makes a cgroup that can be frozen, freezes it and removes it.
func tryFreezer(ctx context.Context) (version int, err error) {
	g, err := freeze.New(fmt.Sprintf("rock-check-%d", os.Getpid()))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.Remove()) }()
	if err := g.Freeze(ctx, nil); err != nil {
		return 0, err
	}
	return g.Version(), g.Thaw(ctx)
}

// checkpointAbility explains the facts.
func checkpointAbility(f checkpointFacts) ability {
	a := ability{Works: true, Needs: []feature{f.criu(), f.privileges(), f.cgroup()}}
	for _, n := range a.Needs {
		if n.OK {
			continue
		}
		a.Works = false
		if a.Error == "" && !n.Untried {
			a.Error, a.Remedy = n.Detail, n.Remedy
		}
	}
	if !f.root {
		a.Error, a.Remedy = "only root can checkpoint", "sudo rockctl check tries out whether it works here"
	}
	for _, w := range f.warnings {
		a.Needs = append(a.Needs, feature{Name: strings.SplitN(w.What, " ", 2)[0], Detail: without(w.What), Remedy: w.Remedy})
	}
	a.Needs = append(a.Needs, f.optional("network_lock_nftables", "connection lock", "--tcp-established: open ordinary connections can be kept"))
	return a
}

// without cuts off the name of a capability, which is shown before.
func without(what string) string {
	_, rest, _ := strings.Cut(what, ": ")
	return rest
}

func (f *checkpointFacts) criu() feature {
	n := feature{Name: "CRIU"}
	var err error
	switch {
	case f.findErr != nil:
		err = f.findErr
	case f.usable != nil:
		err = f.usable
	case f.features == nil: // which is last of what is tried
		n.Untried = true
		n.Detail = fmt.Sprintf("%v, %s; not tried without the privileges", f.version, f.tool.Path)
		return n
	default:
		n.OK, n.Detail = true, fmt.Sprintf("%v, %s", f.version, f.tool.Path)
		return n
	}
	n.Detail, n.Remedy = splitRemedy(err)
	return n
}

// splitRemedy takes the remedy off the end of an error of package criu, behind the last colon.
func splitRemedy(err error) (what, remedy string) {
	text := err.Error()
	if i := strings.LastIndex(text, ": run "); i >= 0 {
		return text[:i], text[i+2:]
	}
	return text, ""
}

func (f *checkpointFacts) privileges() feature {
	n := feature{Name: "privileges", OK: f.root && len(f.problems) == 0}
	switch {
	case !f.root:
		n.Untried, n.Detail = true, "not root"
	case n.OK:
		n.Detail = "root, with the capabilities that CRIU needs"
	default:
		var what []string
		for _, p := range f.problems {
			what = append(what, p.What)
			n.Remedy = p.Remedy
		}
		n.Detail = strings.Join(what, "; ")
	}
	return n
}

func (f *checkpointFacts) cgroup() feature {
	n := feature{Name: "freezer", OK: f.root && f.frozeErr == nil}
	var bad *freeze.Error
	switch {
	case !f.root:
		n.Untried, n.Detail = true, "only root can make a cgroup"
	case n.OK:
		n.Detail = fmt.Sprintf("cgroup version %d", f.freezer)
	case errors.As(f.frozeErr, &bad) && bad.Remedy != "":
		n.Detail, n.Remedy = strings.TrimSuffix(bad.Error(), ": "+bad.Remedy), bad.Remedy
	default:
		n.Detail = f.frozeErr.Error()
	}
	return n
}

// optional is something that a plain checkpoint does without.
func (f *checkpointFacts) optional(criuName, name, detail string) feature {
	n := feature{Name: name, Detail: detail, Untried: f.features == nil}
	for _, have := range f.features {
		if have.Name == criuName {
			n.OK = have.OK
		}
	}
	return n
}
