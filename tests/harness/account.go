package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/lab"
)

// Account is a user of a host apart, who logs in by an ordinary sshd at port 22, with a password or a key.
type Account struct {
	Host     *lab.Host
	Name     string
	Password string
	Home     string // as the tests see it
	known    string // a known_hosts file with the host in it
}

// NewAccount makes one, and starts sshd.
func NewAccount(t testing.TB, h *lab.Host) *Account {
	t.Helper()
	a := &Account{Host: h, Name: "alice", Password: "correct horse", known: filepath.Join(TempDir(t), "known_hosts")}
	etc, home, run := h.Private("/etc"), h.Private("/home"), h.Private("/run")
	a.Home = filepath.Join(home, a.Name)
	a.do(t, nil, "cp", "-a", "/etc/.", etc)
	if err := os.MkdirAll(filepath.Join(run, "sshd"), 0o755); err != nil {
		t.Fatal(err)
	}
	on := func(argv ...string) { a.do(t, h, argv...) }
	on("sh", "-c", `useradd -m -s /bin/sh "$0" && echo "$0:$1" | chpasswd`, a.Name, a.Password)
	on("sh", "-c", "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key")
	a.write(t, filepath.Join(etc, "ssh/sshd_config"), "UsePAM no\nPasswordAuthentication yes\nPidFile none\nSubsystem sftp internal-sftp\nLogLevel VERBOSE\n")
	public, err := os.ReadFile(filepath.Join(etc, "ssh/ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, a.known, fmt.Sprintf("%v %s", h.Addr(1), public))
	Spec{Host: h, Argv: []string{"/usr/sbin/sshd", "-D", "-e"}}.Start(t)
	WaitListening(t, h, 22)
	return a
}

func (a *Account) do(t testing.TB, h *lab.Host, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	if h != nil {
		cmd = h.Command(argv...)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

func (a *Account) write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// HasRockd puts rockd into the account.
func (a *Account) HasRockd(t testing.TB) {
	t.Helper()
	bin := filepath.Join(a.Home, ".local", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(filepath.Join(bin, "rockd"), Program(t, "rockd")); err != nil {
		t.Fatal(err)
	}
	a.owns(t)
}

// LetsIn makes a key that the account lets in, and returns its file.
func (a *Account) LetsIn(t testing.TB) string {
	t.Helper()
	file := filepath.Join(TempDir(t), "key")
	a.do(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(a.Home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	a.write(t, filepath.Join(a.Home, ".ssh/authorized_keys"), a.Keys()+string(public))
	a.owns(t)
	return file
}

// Keys are the lines of authorized_keys.
func (a *Account) Keys() string {
	text, _ := os.ReadFile(filepath.Join(a.Home, ".ssh/authorized_keys"))
	return string(text)
}

func (a *Account) owns(t testing.TB) {
	t.Helper()
	a.do(t, a.Host, "chown", "-R", a.Name+":", "/home/"+a.Name)
}

// At is what ssh calls it.
func (a *Account) At() string { return a.Name + "@" + a.Host.Addr(1).String() }

// Options are the options of ssh and scp by which it knows the host, and nobody else's files count.
func (a *Account) Options() []string {
	return []string{"-F", "none", "-o", "UserKnownHostsFile=" + a.known, "-o", "LogLevel=ERROR"}
}

// Knows adds the host of another account to those that are known.
func (a *Account) Knows(t testing.TB, other *Account) {
	t.Helper()
	text, err := os.ReadFile(other.known)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile(a.known)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, a.known, string(mine)+string(text))
}

// Protected is rock -d for a program on another host: command is that program's line, behind its options.
func (a *Account) Protected(t testing.TB, from *lab.Host, rock []string, program string, args ...string) Spec {
	t.Helper()
	runtime := RuntimeDir(from, "")
	own(t, runtime, "")
	log := newLog(runtime)
	argv := append([]string{Program(t, "rock"), "--log", log, "-d"}, rock...)
	argv = append(append(append(argv, program), a.Options()...), args...)
	return Spec{Host: from, Argv: argv, Env: []string{"ROCK_CONFIG=/dev/null", "HOME=" + TempDir(t), "SSH_AUTH_SOCK="}, log: log}
}

// Rockds are the rockd that run on the host.
func (a *Account) Rockds() []string {
	var all []string
	for _, p := range Processes(a.Host) {
		if filepath.Base(p.Args[0]) == "rockd" {
			all = append(all, strings.Join(p.Args, " "))
		}
	}
	return all
}
