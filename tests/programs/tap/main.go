// Tap stands in the transport of a migration and stops it at an exact moment, for a test that then harms somebody.
//
//	tap [-after] END:KIND FILE COMMAND...
//
// It starts COMMAND, which is rockctl receive somewhere, and passes on what the END source (standard input) and the END
// target (the command's output) send. The first frame of that KIND from that END it holds back, or with -after what
// follows it, and makes FILE. A word in FILE.then says what is next:
//
//	pass    go on as if nothing had been
//	freeze  pass nothing any more, either way, but close nothing
//	drop    end, and the command too
//
// With --resolve among its words the command is executed and nothing held. Tap ends when the directory of FILE
// is gone.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	signal.Ignore(syscall.SIGPIPE)
	argv := os.Args[1:]
	after := len(argv) > 0 && argv[0] == "-after"
	if after {
		argv = argv[1:]
	}
	if len(argv) < 3 {
		fmt.Fprintln(os.Stderr, "usage: tap [-after] END:KIND FILE COMMAND...")
		os.Exit(2)
	}
	err := run(argv[0], after, argv[1], argv[2:])
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		os.Exit(ended.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tap:", err)
		os.Exit(1)
	}
}

func run(where string, after bool, file string, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if slices.Contains(command, "--resolve") {
		return syscall.Exec(path, command, os.Environ())
	}
	end, kind, _ := strings.Cut(where, ":")
	number, ok := kinds[kind]
	if !ok || end != "source" && end != "target" {
		return fmt.Errorf("there is no %s", where)
	}
	cmd := exec.Command(path, command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t := &tap{file: file, end: end, kind: number, after: after, drop: cmd.Process.Kill}
	go t.leave(filepath.Dir(file))
	go func() {
		t.carry("source", os.Stdin, in)
		in.Close()
	}()
	t.carry("target", out, os.Stdout)
	io.Copy(io.Discard, out) // the source may have left, and its last words be on their way
	return cmd.Wait()
}

// tap is what both directions have in common.
type tap struct {
	file, end string
	kind      byte
	after     bool
	drop      func() error

	once   sync.Once
	frozen sync.RWMutex // locked by who has frozen all
}

// carry passes on what one end sends, to its end.
func (t *tap) carry(end string, from io.Reader, to io.Writer) error {
	if _, err := io.CopyN(to, from, helloLength); err != nil {
		return err
	}
	for {
		frame, err := readFrame(from)
		if err != nil {
			return err
		}
		if err := t.pass(end, frame, to); err != nil {
			return err
		}
	}
}

// pass passes one frame on.
func (t *tap) pass(end string, frame []byte, to io.Writer) error {
	here := end == t.end && frame[0] == t.kind
	if here && !t.after {
		t.once.Do(t.stop)
	}
	t.frozen.RLock()
	_, err := to.Write(frame)
	t.frozen.RUnlock()
	if here && t.after {
		t.once.Do(t.stop)
	}
	return err
}

// stop tells the test that it is now, and does what that says.
func (t *tap) stop() {
	os.WriteFile(t.file, nil, 0o644)
	for frozen := false; ; time.Sleep(time.Millisecond) {
		word, _ := os.ReadFile(t.file + ".then")
		switch string(word) {
		case "pass":
			return
		case "freeze":
			if !frozen {
				t.frozen.Lock() // for good
				frozen = true
			}
		case "drop":
			t.drop()
			os.Exit(1)
		}
	}
}

// leave ends everything when the test is over.
func (t *tap) leave(dir string) {
	for {
		if _, err := os.Stat(dir); err != nil {
			t.drop()
			os.Exit(1)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
