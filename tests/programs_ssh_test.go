package tests

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"rock/tests/harness"
	"rock/tests/lab"
)

// randomFile makes a file that cannot be compressed and returns its SHA-256.
func randomFile(t *testing.T, name string, size int64) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", fmt.Sprintf("head -c %d /dev/urandom | tee %s | sha256sum", size, name)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[0]
}

func fileSHA(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// cutUnderRock changes the client's address when there is a rock to survive it.
func cutUnderRock(l *lab.Lab, s harness.Side) {
	if s == harness.Rock {
		l.A.ChangeAddr(1)
	}
}

// A person logs in, works in a shell, and the client's address changes meanwhile.
func TestSSHInteractive(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		sshd := harness.StartSSH(t, l.B, s)
		term := startTerminal(t, harness.Spec{Host: l.A, Side: s, Argv: sshd.Client("ssh", "-tt", "server",
			"env PS1='ready> ' bash --norc --noprofile --noediting")})
		term.expect(t, "ready> ")
		term.typed(t, "echo $((6 * 7)); stty size\r")
		term.expect(t, "42\r\n24 80\r\nready> ")

		cutUnderRock(l, s)
		term.typed(t, "echo after the $((1 + 1))nd address\r")
		term.expect(t, "after the 2nd address\r\nready> ")

		if err := pty.Setsize(term.master, &pty.Winsize{Rows: 50, Cols: 132}); err != nil {
			t.Fatal(err)
		}
		term.typed(t, "until stty size | grep '50 132'; do :; done\r")
		term.expect(t, "\r\n50 132\r\nready> ")

		// One program says so and sleeps: between two of them the shell could take the signal for itself.
		term.typed(t, "sh -c 'echo sleeping; exec sleep 1000'\r")
		term.expect(t, "\nsleeping\r\n")
		term.typed(t, "\x03")
		term.expect(t, "^C\r\nready> ")

		term.typed(t, "exit 7\r")
		if res := term.proc.Wait(t); res.Code != 7 {
			t.Errorf("exit status %d, want 7", res.Code)
		}
	})
}

// A tar archive of some size goes through ssh while the address changes.
func TestSSHTar(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		sshd := harness.StartSSH(t, l.B, s)
		dir := harness.TempDir(t)
		want := randomFile(t, filepath.Join(dir, "data"), 40_000_000)
		archive := filepath.Join(dir, "archive.tar")
		client := harness.Spec{Host: l.A, Side: s, Argv: []string{"sh", "-c",
			strings.Join(sshd.Client("ssh", "server", "'cd "+dir+" && tar c data'"), " ") + " >" + archive}}.Start(t)
		harness.Until(t, "a part of the archive", func() bool { return size(archive) > 1_000_000 })
		cutUnderRock(l, s)
		if res := client.Wait(t); res.Code != 0 {
			t.Fatalf("exit status %d: %s", res.Code, res.Stderr)
		}
		out, err := exec.Command("sh", "-c", "tar xOf "+archive+" data | sha256sum").Output()
		if got := strings.Fields(string(out))[0]; err != nil || got != want {
			t.Errorf("archive has sum %s (%v), want %s", got, err, want)
		}
	})
}

func size(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size()
}

// scp and sftp, which start ssh themselves, there and back.
func TestSSHCopy(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		sshd := harness.StartSSH(t, l.B, s)
		dir := harness.TempDir(t)
		file := func(name string) string { return filepath.Join(dir, name) }
		want := randomFile(t, file("data"), 20_000_000)

		copying := harness.Spec{Host: l.A, Side: s, Argv: sshd.Client("scp", "-q", file("data"), "server:"+file("there"))}.Start(t)
		harness.Until(t, "a part of the file", func() bool { return size(file("there")) > 0 })
		cutUnderRock(l, s)
		if res := copying.Wait(t); res.Code != 0 {
			t.Fatalf("scp: exit status %d: %s", res.Code, res.Stderr)
		}
		harness.Spec{Host: l.A, Side: s, Argv: sshd.Client("sftp", "-q", "-b", "-", "server"),
			Stdin: strings.NewReader("get " + file("there") + " " + file("back") + "\n")}.Output(t)
		for _, name := range []string{"there", "back"} {
			if got := fileSHA(t, file(name)); got != want {
				t.Errorf("%s has sum %s, want %s", name, got, want)
			}
		}
	})
}

// Local and remote port forwarding, kept open over an address change.
func TestSSHForwarding(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		sshd := harness.StartSSH(t, l.B, s)
		echo := []string{"socat", "TCP-LISTEN:7100,fork,reuseaddr,bind=127.0.0.1", "EXEC:cat"}
		for _, h := range []*lab.Host{l.A, l.B} {
			harness.Spec{Host: h, Argv: echo}.Start(t)
			harness.WaitListening(t, h, 7100)
		}
		forwards := append(harness.Forward("-L", 7101, "127.0.0.1", 7100), harness.Forward("-R", 7102, "127.0.0.1", 7100)...)
		tunnel := harness.Spec{Host: l.A, Side: s, Argv: sshd.Client("ssh", append(forwards, "-N", "server")...)}.Start(t)
		harness.WaitListening(t, l.A, 7101)
		harness.WaitListening(t, l.B, 7102)

		check := func() {
			t.Helper()
			for h, port := range map[*lab.Host]string{l.A: "7101", l.B: "7102"} {
				got := harness.Spec{Host: h, Argv: []string{"nc", "-N", "127.0.0.1", port}, Stdin: strings.NewReader("through")}.Output(t)
				if got != "through" {
					t.Errorf("port %s gave back %q", port, got)
				}
			}
		}
		check()
		cutUnderRock(l, s)
		check()
		tunnel.Signal(t, syscall.SIGTERM)
		tunnel.Wait(t)
	})
}

// What a remote command says with its exit status, and its standard error, arrives.
func TestSSHExitStatus(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t)
		sshd := harness.StartSSH(t, l.B, s)
		res := harness.Spec{Host: l.A, Side: s, Argv: sshd.Client("ssh", "server", "cat; echo err >&2; exit 42"),
			Stdin: strings.NewReader("in\n")}.Run(t)
		if res.Code != 42 || res.Stdout != "in\n" || res.Stderr != "err\n" {
			t.Errorf("got status %d, %q, %q", res.Code, res.Stdout, res.Stderr)
		}
	})
}
