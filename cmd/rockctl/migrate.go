package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rock/rocks/group"
)

// migrating are the options of migrate.
type migrating struct {
	group.MigrateOptions
	transport
	json  bool
	set   string
	place map[string]string // hosts by the names of groups
}

func newMigrate() *cobra.Command {
	var o migrating
	cmd := &cobra.Command{
		Use:   "migrate [-l] [--exec CMD] [--dry-run] GROUP HOST",
		Short: "move a group to another host while it runs",
		Long: `Moves a group that was started with rock -k to another host, where rock is
installed too: its processes, and the rocks that they have. Peers see a pause.
The group goes on there without a terminal; rockctl ls shows it there.

It is done by rockctl receive there, which is started with ssh HOST as root, or
with --exec in another way. Before anything is stopped both hosts look for what
is in the way; --dry-run only does that. Until all is complete on the other host
the group goes on here after any failure, and after Ctrl-C.

The other host must have the files that the group uses. With --copy-files those
come along, to the same paths, that it has open and that are not part of the
system (below /usr or /etc, say), and PATHs, which are relative to its working
directory; a directory means all files below it. They are sent while the group
runs, and what has changed again when it stands still. What they replace there
is gone only when the group runs.`,
		Example: `  rockctl migrate redis root@b.example.org
  rockctl migrate --copy-files=spool,/srv/in.csv job root@b.example.org
  rockctl migrate --exec 'ssh -J gate b sudo rockctl receive' redis b`,
		Args:              o.args,
		ValidArgsFunction: completeGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.set != "" {
				if len(args) > 0 {
					o.host = args[0]
				}
				return o.runSet(cmd)
			}
			if len(o.place) > 0 {
				return errors.New("--place is for --set")
			}
			o.host, o.Host = args[1], args[1]
			g, r, err := o.run(cmd, args[0])
			if err != nil {
				return err
			}
			return o.write(cmd, g, r)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Localhost, "localhost", "l", false, "have its rocks look for peers on that host too")
	f.StringVar(&o.exec, "exec", "", "run `CMD` instead of ssh HOST; what it starts is\nrockctl receive")
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "only look what is in the way")
	copyFilesFlag(f, &o.MigrateOptions)
	f.StringVar(&o.set, "set", "", "move all groups called `NAME` or\nNAME.SOMETHING at once, all or none")
	f.StringToStringVar(&o.place, "place", nil, "with --set, move these to other hosts:\n`GROUP=HOST,...`")
	jsonFlag(cmd, &o.json)
	return cmd
}

// args are GROUP and HOST, with --set only HOST, which may be left out if all have a place.
func (o *migrating) args(cmd *cobra.Command, args []string) error {
	if o.set != "" {
		return cobra.MaximumNArgs(1)(cmd, args)
	}
	return cobra.ExactArgs(2)(cmd, args)
}

// run moves the group, and shows how far that is.
func (o *migrating) run(cmd *cobra.Command, name string) (*group.Group, *group.MigrateReport, error) {
	ctx, stop := interruptible(cmd)
	defer stop()
	g, err := findGroup(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	p := newProgress(cmd.ErrOrStderr())
	defer p.end()
	r, err := o.move(ctx, g, group.Talk{Progress: p.show, Answer: o.answer})
	return g, r, err
}

// move moves one group.
func (o *migrating) move(ctx context.Context, g *group.Group, t group.Talk) (*group.MigrateReport, error) {
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	o.Token = hex.EncodeToString(token[:])
	process, link, err := o.start()
	if err != nil {
		return nil, err
	}
	r, err := g.Migrate(ctx, o.MigrateOptions, link, t)
	broken := endTransport(process) != nil // the supervisor has said why
	if err != nil && broken && o.CopyFiles && !o.DryRun {
		o.putFilesBack(ctx)
	}
	if errors.Is(err, group.ErrGivenUp) {
		return nil, fmt.Errorf("%w: group %s goes on here", err, g.ID)
	}
	return r, err
}

// resolveEvery and resolveFor bound the attempts to reach a host that holds the answer.
const (
	resolveEvery = 2 * time.Second
	resolveFor   = 2 * time.Minute
)

// answer answers the question what has become of the group, by asking the other host until it says so.
func (o *migrating) answer(ctx context.Context, q group.Question) (string, error) {
	if q.What != group.QuestionOutcome {
		return "", fmt.Errorf("the supervisor asks something unknown: %s", q.What)
	}
	t := o.transport
	t.host = q.Host
	limit, cancel := context.WithTimeout(ctx, resolveFor)
	defer cancel()
	for {
		a, err := t.resolve(limit, q.Token)
		if err == nil {
			return a, nil
		}
		fmt.Fprintf(os.Stderr, "rockctl: %v; the group stands still until that is known\n", err)
		select {
		case <-limit.Done():
			return "", fmt.Errorf("%w; when %s can be reached again: rockctl migrate GROUP %s", err, q.Host, q.Host)
		case <-time.After(resolveEvery):
		}
	}
}
