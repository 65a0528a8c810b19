package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"rock/tests/lab"
)

// SSH is an OpenSSH server with its own keys, and what its clients need.
type SSH struct {
	Proc   *Proc
	Config string // of the client: -F Config; the host is called "server"
	Dir    string
}

// StartSSH starts sshd on a host, for root to log in at path 1.
func StartSSH(t testing.TB, h *lab.Host, side Side) *SSH {
	t.Helper()
	const port = 2222
	s := &SSH{Dir: TempDir(t)}
	for _, key := range []string{"host", "user"} {
		cmd := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.Dir, key))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	at := h.Addr(1)
	host, err := os.ReadFile(s.file("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "known_hosts", fmt.Sprintf("[%s]:%d %s", at, port, host))
	s.write(t, "sshd_config", fmt.Sprintf(`
Port %d
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
Subsystem sftp internal-sftp
LogLevel VERBOSE
`, port, s.file("host"), s.file("user.pub")))
	s.Config = s.file("ssh_config")
	s.write(t, "ssh_config", fmt.Sprintf(`
Host server
	HostName %s
	Port %d
	User root
	IdentityFile %s
	IdentitiesOnly yes
	UserKnownHostsFile %s
	BatchMode yes
	LogLevel ERROR
`, at, port, s.file("user"), s.file("known_hosts")))

	// sshd wants a directory /run/sshd. It gets one in a /run of its own.
	if err := os.MkdirAll(s.file("run/sshd"), 0o755); err != nil {
		t.Fatal(err)
	}
	argv := []string{"/usr/sbin/sshd", "-D", "-e", "-f", s.file("sshd_config")}
	s.Proc = Spec{Host: h, Side: side, Argv: argv, private: [2]string{s.file("run"), "/run"}}.Start(t)
	WaitListening(t, h, port)
	return s
}

func (s *SSH) file(name string) string { return filepath.Join(s.Dir, name) }

func (s *SSH) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Client is the command line of ssh, or of scp and sftp, with the right options.
func (s *SSH) Client(program string, args ...string) []string {
	return append([]string{program, "-F", s.Config}, args...)
}

// Forward is an ssh option -L or -R.
func Forward(kind string, listen int, to string, port int) []string {
	return []string{kind, "127.0.0.1:" + strconv.Itoa(listen) + ":" + to + ":" + strconv.Itoa(port)}
}
