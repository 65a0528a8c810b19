package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"rock/tests/lab"
)

// Remote returns what runs a command on a host, if that follows it in a shell on any other: what "ssh HOST" is elsewhere.
// rockctl is in the path there.
func Remote(t testing.TB, to *lab.Host) string {
	t.Helper()
	program, runtime := Program(t, "door"), RuntimeDir(to, "")
	own(t, runtime, "")
	d := &door{host: to, env: append(os.Environ(), "LC_ALL=C", "ROCK_RUNTIME_DIR="+runtime, "TMPDIR="+runtime,
		"PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))}
	socket := filepath.Join(to.Dir(), fmt.Sprintf("door-%d", time.Now().UnixNano()))
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	d.busy.Go(func() { d.listen(l) })
	t.Cleanup(func() {
		l.Close()
		d.close()
	})
	return program + " " + socket
}

// door runs commands on a host for the program of that name, which see. It is opened by the test, since from one
// host apart there is no way into the processes of another.
type door struct {
	host *lab.Host
	env  []string

	busy   sync.WaitGroup
	mu     sync.Mutex
	closed bool
	guests []*exec.Cmd
}

func (d *door) listen(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		d.busy.Go(func() {
			defer c.Close()
			if code, err := d.serve(c); err == nil {
				c.Write([]byte{code})
			}
		})
	}
}

// serve runs one command to its end.
func (d *door) serve(c *net.UnixConn) (code byte, err error) {
	text, rights := make([]byte, 64<<10), make([]byte, 64)
	n, m, _, _, err := c.ReadMsgUnix(text, rights)
	if err != nil {
		return 0, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return 0, err
	}
	var fds []int
	for i := range messages {
		if fds, err = syscall.ParseUnixRights(&messages[i]); err != nil {
			return 0, err
		}
	}
	if len(fds) != 2 {
		return 0, fmt.Errorf("%d descriptors came with %q", len(fds), text[:n])
	}
	data, stderr := os.NewFile(uintptr(fds[0]), "data"), os.NewFile(uintptr(fds[1]), "stderr")
	cmd := d.host.Command("sh", "-c", string(text[:n]))
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = d.env, data, data, stderr
	err = d.start(cmd)
	data.Close()
	stderr.Close()
	if err != nil {
		return 0, err
	}
	cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		return byte(128 + ws.Signal()), nil
	}
	return byte(cmd.ProcessState.ExitCode()), nil
}

// start starts a command unless the test has ended.
func (d *door) start(cmd *exec.Cmd) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.guests = append(d.guests, cmd)
	return d.host.Start(cmd)
}

// close ends the commands that still run.
func (d *door) close() {
	d.mu.Lock()
	d.closed = true
	for _, cmd := range d.guests {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	}
	d.mu.Unlock()
	d.busy.Wait()
}
