package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
func (t transport) start() (cmd *exec.Cmd, from, to *os.File, err error) {
	in, to, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	from, out, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, errors.Join(err, closers{in, to}.Close())
	}
	cmd = t.command()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	err = cmd.Start()
	_ = closers{in, out}.Close()
	if err != nil {
		_ = closers{from, to}.Close()
		return nil, nil, nil, fmt.Errorf("reach %s: %w", t.host, err)
	}
	return cmd, from, to, nil
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

// closers close together.
type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// standardStreams moves standard input and output away, so that nothing else reads or writes there, and closing them ends
// who waits.
func standardStreams() (in, out *os.File, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	var moved [2]*os.File
	for fd := range moved {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			err = unix.SetNonblock(dup, true)
		}
		if err == nil {
			err = unix.Dup3(int(null.Fd()), fd, 0)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("take over standard input and output: %w", err)
		}
		moved[fd] = os.NewFile(uintptr(dup), "transport")
	}
	return moved[0], moved[1], nil
}
