package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rock/ckpt"
	"rock/ckpt/image"
	"rock/rocks/group"
	"rock/rocks/group/front"
)

// restoring are the options of restore.
type restoring struct {
	front.RestoreOptions
	extra ckpt.RestoreOptions
	log   string
	set   string
	wait  bool // see restore_set.go
}

func newRestore() *cobra.Command {
	var o restoring
	cmd := &cobra.Command{
		Use:   "restore [-D DIR] [-d]",
		Short: "bring a group back from an image",
		Long: `Brings a group back from an image that rockctl checkpoint has written, with its
connections: those to peers with rocks go on where they were. The image must be
whole, and is good for one restore. This process then stays in front of the
group as rock does, and ends as its command ends.

Exit status: that of the command; 125 the group could not be restored, 128+n the
command was killed by signal n, 137 the group was checkpointed again.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(os.Geteuid()); err != nil {
				return err
			}
			if o.set != "" {
				return restoreSet(cmd, o.set, &o)
			}
			return o.run(cmd)
		},
	}
	imagesDir(cmd, &o.Dir, "`DIR` of the image, the current directory if not given")
	f := cmd.Flags()
	f.BoolVarP(&o.Detach, "detach", "d", false, "leave when the group runs; what it shows on its\nterminal is lost")
	f.BoolVar(&o.extra.ResetRefused, "reset-refused", false, "reset connections whose peers would not go on")
	f.BoolVar(&o.extra.CutGrown, "cut-grown", false, "cut back files that the group has written on in since")
	f.DurationVar(&o.Timeout, "timeout", 0, "give up connections after `TIME` offline (72h)")
	f.StringVar(&o.log, "log", "", "append what rock does to `FILE`")
	f.BoolVarP(&o.Localhost, "localhost", "l", false, "when offline, look for peers on localhost too: for\ngroups that move to one host together")
	f.StringVar(&o.set, "set", "", "restore all images of the set `NAME` in DIR, all or\nnone, as with -d")
	f.BoolVar(&o.wait, "wait", false, "say ready, and wait for go")
	_ = f.MarkHidden("wait") // fails only for a name that is not there
	return cmd
}

// check says what is wrong with the options, and finds the image.
func (o *restoring) check(uid int) error {
	if uid != 0 {
		how := "sudo rockctl restore"
		if o.Dir != "" {
			how += " -D " + shellWord(o.Dir)
		}
		return fmt.Errorf("restore needs root: %s", how)
	}
	if o.Timeout < 0 {
		return fmt.Errorf("--timeout %v: the time cannot be negative", o.Timeout)
	}
	if o.set != "" {
		return nil
	}
	if o.Dir == "" {
		if _, err := os.Stat(image.ManifestFile); err != nil {
			return errors.New("which image? there is none in the current directory: rockctl restore -D DIR")
		}
		o.Dir = "."
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("-D: %w", err)
	}
	return nil
}

// run restores the group. It returns only if it did not, or with -d.
func (o *restoring) run(cmd *cobra.Command) error {
	var err error
	if o.log != "" {
		if o.Log, err = os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
			return fmt.Errorf("--log: %w", err)
		}
	}
	if im, err := image.Open(o.Dir); err == nil { // else the supervisor will say why
		o.PTYs = im.Manifest().PTYs
		_ = im.Close()
	}
	p := newProgress(cmd.ErrOrStderr())
	o.Extra, o.Rescue = o.extra.Encode(), ckpt.Rescue
	o.Warn = func(line string) { cmd.PrintErrf("rockctl: %s\n", line) }
	if o.wait {
		o.Ready = func([]netip.AddrPort) error { return awaitGo(cmd.InOrStdin(), cmd.OutOrStdout()) }
	}
	o.Progress = func(now group.Progress) {
		if p.show(now); now.Phase == "run" {
			p.end() // the terminal is the group's
		}
	}
	result, err := front.Restore(o.RestoreOptions)
	p.end()
	if err != nil {
		return err
	}
	if !o.Detach {
		front.Exit(result)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored as group %s, pid %d\n", result.Group, result.Pid)
	return err
}
