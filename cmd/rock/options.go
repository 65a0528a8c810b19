package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rock/ckpt/criu"
	"rock/rocks/group"
	"rock/rocks/group/stage"
	"rock/rocks/remote"
)

// version is what --version shows. The linker may set it (-X main.version=...).
var version = "0.1"

// options are those of the command line.
type options struct {
	checkpointable bool
	localhost      bool
	remote         bool
	user           string // for remote, "" for the own one
	install        bool   // for remote
	pass           string // socket to get directions at, for a proxy command of remote
	timeout        time.Duration
	name           string
	log            string
	every          time.Duration // between periodic checkpoints, 0 for none
	imagesDir      string
	keep           int
	command        []string
}

// newCommand returns the command line of rock; run gets the options.
func newCommand(run func(options) error) *cobra.Command {
	var o options
	var g generated
	cmd := &cobra.Command{
		Use:                   "rock [options] command [argument ...]",
		Short:                 "run a program with reliable TCP connections",
		Long:                  long,
		Example:               examples,
		Version:               version,
		DisableFlagsInUseLine: true,
		SilenceUsage:          true,
		SilenceErrors:         true,
		Args:                  cobra.ArbitraryArgs,

		ValidArgsFunction: completeCommand,
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what stands behind the command belongs to it
	f.SortFlags = false
	f.StringVar(&o.name, "name", "", "call the group `NAME`, for rockctl")
	f.DurationVar(&o.timeout, "timeout", 0, "give up connections after `TIME` offline (72h)")
	f.StringVar(&o.log, "log", "", "append what rock does to `FILE`")
	f.BoolVarP(&o.checkpointable, "checkpointable", "k", false, "make the processes checkpointable (needs root)")
	f.DurationVar(&o.every, "checkpoint-every", 0, "with -k: write an image every `TIME`")
	f.StringVar(&o.imagesDir, "images-dir", ".", "`DIR` for those images")
	f.IntVar(&o.keep, "keep", 3, "keep the newest `N` of them")
	_ = cmd.MarkFlagDirname("images-dir") // fails only for a name that is not there
	f.BoolVarP(&o.localhost, "localhost", "l", false, "when offline, look for peers on localhost too")
	f.BoolVarP(&o.remote, "remote", "d", false, "-d [USER] ssh ...: start rockd there")
	f.BoolVar(&o.install, "install", false, "with -d: copy rockd there if it is missing")
	f.StringVar(&o.pass, "pass", "", "be the proxy command of -d")
	_ = f.MarkHidden("pass") // fails only for a name that is not there
	f.BoolP("version", "V", false, "show the version")
	f.BoolP("help", "h", false, "show this help")
	g.addFlags(cmd)
	cmd.SetHelpTemplate(helpTemplate)
	cmd.SetUsageTemplate(helpTemplate)
	cmd.SetVersionTemplate("rock {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if done, err := g.write(cmd, cmd.OutOrStdout()); done {
			return err
		}
		if o.pass != "" {
			return remote.Pass(o.pass, os.Stdout)
		}
		o.command = args
		if err := o.takeUser(cmd); err != nil {
			return err
		}
		if err := o.checkPeriodic(cmd.Flags().Changed); err != nil {
			return usage(err)
		}
		if err := o.check(); err != nil {
			return err
		}
		return run(o)
	}
	return cmd
}

// usage points to the help behind what is wrong with the command line.
func usage(err error) error { return fmt.Errorf("%w; see rock --help", err) }

// takeUser takes the optional user of -d off the front of the command, which begins with ssh or scp.
// Options may follow the user too.
func (o *options) takeUser(cmd *cobra.Command) error {
	if !o.remote || len(o.command) == 0 || remote.IsRemoteShell(o.command[0]) {
		return nil
	}
	o.user = o.command[0]
	if err := cmd.Flags().Parse(o.command[1:]); err != nil {
		return usage(err)
	}
	o.command = cmd.Flags().Args()
	if len(o.command) == 0 || !remote.IsRemoteShell(o.command[0]) {
		return usage(errors.New("-d goes with ssh or scp: rock -d [user] ssh HOST"))
	}
	return nil
}

// check says what is wrong with the options.
func (o *options) check() error {
	if len(o.command) == 0 {
		return usage(errors.New("which command? rock command [argument ...]"))
	}
	if o.install && !o.remote {
		return usage(errors.New("--install goes with -d"))
	}
	if o.checkpointable && os.Geteuid() != 0 {
		return fmt.Errorf("-k: checkpoints need root: sudo rock -k %s", strings.Join(o.command, " "))
	}
	if o.timeout < 0 {
		return usage(fmt.Errorf("--timeout %v: the time cannot be negative", o.timeout))
	}
	if o.name != "" {
		if err := group.CheckName(o.name); err != nil {
			return usage(fmt.Errorf("--name: %w", err))
		}
	}
	return nil
}

// checkPeriodic says what is wrong with the options for periodic checkpoints.
func (o *options) checkPeriodic(given func(flag string) bool) error {
	if !given("checkpoint-every") {
		for _, flag := range []string{"images-dir", "keep"} {
			if given(flag) {
				return fmt.Errorf("--%s goes with --checkpoint-every", flag)
			}
		}
		return nil
	}
	switch {
	case !o.checkpointable:
		return errors.New("--checkpoint-every goes with -k")
	case o.every < time.Second:
		return fmt.Errorf("--checkpoint-every %v: a second at least", o.every)
	case o.keep < 1:
		return fmt.Errorf("--keep %d: one at least", o.keep)
	}
	var err error
	if o.imagesDir, err = filepath.Abs(o.imagesDir); err != nil {
		return fmt.Errorf("--images-dir: %w", err)
	}
	return nil
}

// periodic returns what the supervisor is to do every so often, nil for nothing. It warns of what can be foreseen to
// keep it from that.
func (o *options) periodic(warn func(string)) *stage.Periodic {
	if o.every == 0 {
		return nil
	}
	if _, err := criu.Find(os.Getenv); err != nil {
		warn(fmt.Sprintf("--checkpoint-every: %v", err))
	}
	return &stage.Periodic{Every: o.every, Dir: o.imagesDir, Keep: o.keep}
}
