package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/rocks/group"
)

// Each member of a set is restored by a rockctl restore of its own, which says readyLine when all but running is done, and
// waits for goLine.
const (
	readyLine = "ready"
	goLine    = "go"
)

// restoreSet restores the images of a set in a directory: all, or none. They run on without a terminal.
func restoreSet(cmd *cobra.Command, set string, o *restoring) error {
	dir := cmp.Or(o.Dir, set+".ckpt")
	paths, err := setImages(dir, set)
	if err != nil {
		return err
	}
	said := make([]string, len(paths))
	errs := group.Together(cmd.Context(), len(paths), []string{group.StepReady}, func(ctx context.Context, i int, answer func(context.Context, group.Question) (string, error)) error {
		var err error
		said[i], err = restoreMember(ctx, paths[i], o, answer)
		return err
	})
	var failed []error
	for i, err := range errs {
		if err != nil && !group.GivenUpForOthers(err) {
			failed = append(failed, fmt.Errorf("%s: %w", filepath.Base(paths[i]), err))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("not restored: %w", errors.Join(failed...))
	}
	for i, line := range said {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", filepath.Base(paths[i]), line)
	}
	return nil
}

// setImages returns the images of a set that are in a directory.
func setImages(dir, set string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("images of the set %s: %w", set, err)
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(path, image.ManifestFile)); err == nil && group.InSet(e.Name(), set) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no images of the set %s in %s", set, dir)
	}
	return paths, nil
}

// restoreMember restores one, and returns what that says.
func restoreMember(ctx context.Context, path string, o *restoring, answer func(context.Context, group.Question) (string, error)) (string, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"restore", "-d", "--wait", "-D", path}, o.passed()...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	var why strings.Builder
	cmd.Stderr = &why
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n')
	if strings.TrimSpace(line) == readyLine {
		if _, err := answer(ctx, group.Question{What: group.QuestionStep, Point: group.StepReady}); err == nil {
			fmt.Fprintln(in, goLine)
		}
	}
	in.Close() // which gives it up, if it was not told to go on
	said, _ := io.ReadAll(lines)
	if err := cmd.Wait(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		return "", errors.New(strings.TrimPrefix(strings.TrimSpace(why.String()), "rockctl: "))
	}
	return strings.TrimSpace(string(said)), nil
}

// passed are the options for the restore of each member.
func (o *restoring) passed() []string {
	var args []string
	if o.Localhost {
		args = append(args, "-l")
	}
	if o.extra.ResetRefused {
		args = append(args, "--reset-refused")
	}
	if o.extra.CutGrown {
		args = append(args, "--cut-grown")
	}
	if o.Timeout > 0 {
		args = append(args, "--timeout", o.Timeout.String())
	}
	if o.log != "" {
		args = append(args, "--log", o.log)
	}
	return args
}

// awaitGo says that all is ready, and waits to be told to go on.
func awaitGo(in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, readyLine); err != nil {
		return err
	}
	line, _ := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(line) != goLine {
		return errors.New("the restore was given up: another of the set failed")
	}
	return nil
}
