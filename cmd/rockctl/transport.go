package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/group"
)

// transport is how to reach rockctl receive on another host.
type transport struct {
	host string
	exec string // a command for sh, "" for ssh
}

// command is what starts rockctl receive, with more arguments.
func (t transport) command(args ...string) *exec.Cmd {
	if t.exec == "" {
		return exec.Command("ssh", append([]string{"-T", "-e", "none", t.host, "rockctl", "receive"}, args...)...)
	}
	line := t.exec
	if !slices.Contains(strings.Fields(line), "receive") {
		line += " rockctl receive"
	}
	return exec.Command("sh", append([]string{"-c", line + ` "$@"`, "sh"}, args...)...)
}

// start starts it, with a pipe from it and one to it.
func (t transport) start() (cmd *exec.Cmd, link group.Transport, err error) {
	var theirs group.Transport
	if theirs.From, link.To, err = os.Pipe(); err != nil {
		return nil, link, err
	}
	if link.From, theirs.To, err = os.Pipe(); err != nil {
		return nil, link, errors.Join(err, theirs.From.Close(), link.To.Close())
	}
	cmd = t.command()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs.From, theirs.To, os.Stderr
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, link, errors.Join(fmt.Errorf("reach %s: %w", t.host, err), link.Close())
	}
	return cmd, link, nil
}

// lingerTime is how long the command may take to end when nothing is left for it to do. If the network swallows
// everything it would not end for many minutes.
const lingerTime = 5 * time.Second

// endTransport waits for the end of the command.
func endTransport(cmd *exec.Cmd) error {
	kill := time.AfterFunc(lingerTime, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}

// resolve asks what has become of a migration.
func (t transport) resolve(ctx context.Context, token string) (string, error) {
	cmd := t.command("--resolve", token)
	cmd.Stderr = os.Stderr
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s what has become of the group: %w", t.host, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// standardStreams moves standard input and output away, so that nothing else reads or writes there, and closing them ends
// who waits.
func standardStreams() (link group.Transport, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return link, err
	}
	defer null.Close()
	if link.From, err = moveAway(0, null); err == nil {
		link.To, err = moveAway(1, null)
	}
	if err != nil {
		return link, fmt.Errorf("take over standard input and output: %w", err)
	}
	return link, nil
}

// moveAway gives a descriptor another number, and leaves null in its place.
func moveAway(fd int, null *os.File) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = unix.SetNonblock(dup, true)
	}
	if err == nil {
		err = unix.Dup3(int(null.Fd()), fd, 0)
	}
	return os.NewFile(uintptr(dup), "transport"), err
}
