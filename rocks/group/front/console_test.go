package front

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// oddModes are modes of a terminal that no program has by default.
func oddModes(m unix.Termios) unix.Termios {
	m.Lflag &^= unix.ECHOCTL
	m.Cc[unix.VERASE] = 8
	m.Cc[unix.VINTR] = 3
	return m
}

// onTerminal starts a command line as the leader of a session with a terminal of odd modes and of 40 lines.
func onTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	before := oddModes(modesOf(t, master))
	setModes(int(master.Fd()), before)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	x := newTerminal(t, master, cmd)
	x.slave, x.modes = slave, before // the slave is open until the end, so that the modes stay
	t.Cleanup(func() { _ = slave.Close() })
	return x
}

func modesOf(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := modes(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ends waits for the end of the command of onTerminal, and returns all that the terminal has shown.
func (x *terminal) ends() (string, unix.WaitStatus) {
	x.t.Helper()
	status := endOf(x.t, x.cmd)
	// What was shown before the end comes before this, which nobody reads.
	const last = "\x00the end"
	if _, err := x.slave.WriteString(last); err != nil {
		x.t.Fatal(err)
	}
	x.expect(last + "$")
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.TrimSuffix(x.all.String(), last), status
}

// TestConsoleLooksTheSame runs programs on a terminal with rock and without: they, and the user, see the same.
func TestConsoleLooksTheSame(t *testing.T) {
	needRoot(t)
	for _, command := range []string{
		"stty -a; stty size",
		"for i in 0 1 2; do [ -t $i ] && echo terminal $i; done",
		"seq 1 100000",
		"printf 'a\\nb\\r\\nc\\r'; exit 3",
		"echo x | cat; echo y >/dev/tty",
		"stty raw; printf 'a\\nb'; stty cooked",
		"echo x | { read x; echo $x; } >&2",
	} {
		want, status := onTerminal(t, "sh", "-c", command).ends()
		got, gotStatus := onTerminal(t, rockPath, "-k", "sh", "-c", command).ends()
		if got != want || gotStatus != status {
			t.Errorf("%s: got %.900q (%#x), want %.900q (%#x)", command, got, gotStatus, want, status)
		}
	}
}

// TestConsoleInPipeline has only some of the standard descriptors on the terminal.
func TestConsoleInPipeline(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct{ script, want string }{
		{`echo x | ROCK -k cat`, "x\r\n"},
		{`ROCK -k echo x | cat`, "x\r\n"},
		{`ROCK -k printf 'a\nb\r\nc\r' </dev/null`, "a\r\nb\r\r\nc\r"},
		{`ROCK -k sh -c 'echo x >&2' </dev/null >/dev/null`, "x\r\n"},
		{`ROCK -k sh -c 'seq 3 | tr 1 x; tty; test -t 1 || echo file >&2' >/dev/null | sort`, "file\r\n"},
		{`seq 1000 | ROCK -k sort -n | ROCK -k tail -n 1`, "1000\r\n"},
	} {
		got, _ := onTerminal(t, "sh", "-c", strings.ReplaceAll(tt.script, "ROCK", rockPath)).ends()
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.script, got, tt.want)
		}
	}
}

// TestConsoleModes ends rock in all ways but SIGKILL: the user's terminal must be as it was.
func TestConsoleModes(t *testing.T) {
	needRoot(t)
	stuck := []string{"sh", "-c", "stty raw; echo go; exec sleep 1000"}
	for _, tt := range []struct {
		name    string
		command []string
		signal  syscall.Signal // for the front, once it says go
		status  unix.WaitStatus
	}{
		{"exit", []string{"sh", "-c", "stty raw; exit 2"}, 0, 2 << 8},
		{"killed", []string{"sh", "-c", "stty raw; kill -9 $$"}, 0, 9},
		{"not found", []string{"no-such-program"}, 0, 127 << 8},
		{"terminated", stuck, unix.SIGTERM, 15},
		{"hung up", stuck, unix.SIGHUP, 1},
		{"interrupted", stuck, unix.SIGINT, 2},
		{"real-time signal", stuck, 40, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := onTerminal(t, append([]string{rockPath, "-k"}, tt.command...)...)
			if tt.signal != 0 {
				x.expect("go")
				if m := modesOf(t, x.pty); m.Lflag&unix.ICANON != 0 {
					t.Error("the terminal is not raw")
				}
				_ = x.cmd.Process.Signal(tt.signal)
			}
			if _, status := x.ends(); status != tt.status {
				t.Errorf("got status %#x, want %#x", status, tt.status)
			}
			if got, want := modesOf(t, x.pty), x.modes; got != want {
				t.Errorf("modes: got %+v, want %+v", got, want)
			}
		})
	}
}

// TestConsoleKeys types.
func TestConsoleKeys(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name, script, keys, shows string
		status                    unix.WaitStatus
	}{
		{"end of file", "echo go; exec cat", "tea\r" + ctrlD, `tea\r\ntea\r\n$`, 0},
		{"interrupt", "echo go; exec cat", ctrlC, "", 2},
		{"quit", "ulimit -c 0; echo go; exec cat", ctrlQ, "", 3},
		{"correction", "echo go; read a; echo had $a", "teb\x08a\r", `had tea\r\n$`, 0},
		{"raw", "stty raw -echo; echo go; head -c 5 | od -An -c", "a" + ctrlC + ctrlZ + ctrlD + "\r", `a 003 032 004  \\r`, 0},
		{"much", "stty raw -echo; echo go; head -c 100000 | wc -c", strings.Repeat("0123456789", 10000), `100000`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := onTerminal(t, rockPath, "-k", "sh", "-c", tt.script)
			x.expect("go\r?\n")
			x.send(tt.keys)
			x.expect(tt.shows)
			if _, status := x.ends(); status&0x7f != tt.status {
				t.Errorf("got status %#x, want %#x", status, tt.status)
			}
		})
	}
}

// TestConsoleSize changes the size of the user's terminal: the command is told once each time, and finds it.
func TestConsoleSize(t *testing.T) {
	needRoot(t)
	t.Setenv(helper, "signals")
	x := onTerminal(t, rockPath, "-k", os.Args[0])
	pid := x.expect(`ready (\d+) \d+\r\n`)[1]
	for _, rows := range []uint16{30, 31, 32} {
		if err := pty.Setsize(x.pty, &pty.Winsize{Rows: rows, Cols: 90}); err != nil {
			t.Fatal(err)
		}
		x.expect(`^got SIGWINCH 28 0\r\n$`)
		stdin, err := os.OpenFile("/proc/"+pid+"/fd/0", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pty.GetsizeFull(stdin); err != nil || got.Rows != rows || got.Cols != 90 {
			t.Errorf("got size %+v (%v), want %d rows, 90 columns", got, err, rows)
		}
		_ = stdin.Close()
	}
	x.send("\r")
	if _, status := x.ends(); status != 0 {
		t.Errorf("got status %#x, want 0", status)
	}
}

// TestSessionWithoutTerminal runs a command with pipes and files: it gets them as they are.
func TestSessionWithoutTerminal(t *testing.T) {
	needRoot(t)
	data := make([]byte, 1<<20)
	_, _ = rand.Read(data)
	cmd := exec.Command(rockPath, "-k", "cat")
	cmd.Stdin = bytes.NewReader(data)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, data) {
		t.Errorf("through pipes: got %d bytes (%v), want the same %d", len(got), err, len(data))
	}
	file := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd = exec.Command(rockPath, "-k", "sh", "-c", `readlink /proc/$$/fd/1; set -- $(cat /proc/$$/stat); echo $(($1 - $5)) $(($1 - $6)) $7`)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	// Session and process group are the command's own, and there is no terminal.
	got, err := os.ReadFile(file)
	if want := file + "\n0 0 0\n"; err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestSessionNeedsRoot(t *testing.T) {
	needRoot(t)
	dir := filepath.Dir(rockPath)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rockPath, "-k", "sh", "-c", "echo started")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 125 || !strings.HasPrefix(string(out), "rock: -k: checkpoints need root: sudo rock -k sh") {
		t.Errorf("got %q (%v), want exit status 125 and what to do", out, err)
	}
}
