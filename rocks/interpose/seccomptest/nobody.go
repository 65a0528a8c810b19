package seccomptest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// nobody is the user and group id of tests without privileges.
const nobody = 65534

// Strict says that a test must fail and not be skipped for want of privileges.
func Strict() bool { return os.Getenv(envStrict) == "1" }

// NeedRoot skips the test without root privileges, or fails it if [Strict].
func NeedRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case IsNobody():
		t.Skip("this is the run without privileges")
	case Strict():
		t.Fatal("needs root and ROCK_TEST_STRICT=1")
	default:
		t.Skip("needs root")
	}
}

// IsNobody says that this is a run started by [AsNobody].
func IsNobody() bool { return os.Getenv(envNobody) != "" }

// AsNobody runs the tests that match the pattern once more, as an ordinary user
// without privileges. It needs root.
func AsNobody(t *testing.T, pattern string) {
	NeedRoot(t)
	args := []string{"-test.run=" + pattern, "-test.timeout=120s"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(Binary(), args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), envNobody+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.WaitDelay = 5 * time.Second // a program that a failed test left behind keeps the pipe open
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("tests as uid %d: %v\n%s", nobody, err, out)
	} else if testing.Verbose() {
		t.Logf("as uid %d:\n%s", nobody, out)
	}
}
