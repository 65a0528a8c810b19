package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Paths are the numbers of the two paths between any two hosts.
var Paths = [...]int{1, 2}

// Lab is a set of hosts joined by two paths, made for one test.
type Lab struct {
	Name string
	// A is the client by convention, B the server, C a third host. N is the NAT
	// in front of A, nil unless asked for. R1 and R2 are the routers.
	A, B, C, N, R1, R2 *Host

	t testing.TB
}

// Option changes what New makes.
type Option int

// Options of New.
const (
	NAT     Option = iota + 1 // host N translates the addresses of A
	OnePath                   // A's cable on path 2 is pulled from the beginning
	Apart                     // A, B and C have processes, mounts and names of their own
)

// New makes a lab and has it removed, with all its processes, when t ends.
func New(t testing.TB, options ...Option) *Lab {
	t.Helper()
	Need(t)
	l := &Lab{t: t}
	args := []string{"up", "--owner", strconv.Itoa(os.Getpid())}
	for _, o := range options {
		switch o {
		case NAT:
			args = append(args, "--nat")
		case Apart:
			args = append(args, "--apart")
		}
	}
	l.Name = strings.TrimSpace(run(t, args...))
	t.Cleanup(func() { run(t, "down", l.Name) })

	host := func(name string) *Host { return &Host{lab: l, Name: name} }
	l.A, l.B, l.C, l.R1, l.R2 = host("A"), host("B"), host("C"), host("r1"), host("r2")
	for _, o := range options {
		switch o {
		case NAT:
			l.N = host("N")
		case OnePath:
			l.A.Unplug(2)
		case Apart:
			for _, h := range []*Host{l.A, l.B, l.C} {
				h.setApart()
			}
		}
	}
	return l
}

// Need skips t, or fails it under ROCK_TEST_STRICT=1, where labs cannot be made.
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a lab; left out by -short")
	}
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatal("network namespaces need root, and ROCK_TEST_STRICT=1 forbids to skip")
	}
	t.Skip("network namespaces need root")
}

// Collect removes the labs that ended test processes have left behind.
func Collect() error {
	_, err := script("gc")
	return err
}

// Swallow makes the router of a path drop every packet silently, so that no end
// sees a local event, or stops that. It returns when it was done.
func (l *Lab) Swallow(path int, on bool) time.Time {
	l.t.Helper()
	return l.event("drop", strconv.Itoa(path), onOff(on))
}

// Filter makes a rule, in nft's words, that the router of a path applies to all that
// it forwards, in the place of any earlier one.
func (l *Lab) Filter(path int, rule ...string) {
	l.t.Helper()
	argv := append([]string{"nft", "add", "rule", "inet", "lab", "forward"}, rule...)
	for _, argv := range [][]string{{"nft", "flush", "chain", "inet", "lab", "forward"}, argv} {
		if out, err := l.router(path).Command(argv...).CombinedOutput(); err != nil {
			l.t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
}

// InjectRST cuts the connections on a path: the router answers data of either
// direction with a reset until several packets have been answered, or until
// nothing more comes.
func (l *Lab) InjectRST(path int) time.Time {
	l.t.Helper()
	at := l.event("reset-nft", "on", strconv.Itoa(path))
	router := l.router(path)
	for range 200 {
		if router.forwardCount() >= 4 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.event("reset-nft", "off", strconv.Itoa(path))
	return at
}

// RebindNAT makes N forget its flows and translate to another address and to
// other ports.
func (l *Lab) RebindNAT() time.Time {
	l.t.Helper()
	return l.event("nat", "rebind")
}

func (l *Lab) router(path int) *Host {
	if path == 1 {
		return l.R1
	}
	return l.R2
}

// event runs a verb of scripts/lab that prints when it acted.
func (l *Lab) event(args ...string) time.Time {
	l.t.Helper()
	out := run(l.t, append([]string{"-l", l.Name}, args...)...)
	stamp, _, _ := strings.Cut(out, " ")
	sec, frac, _ := strings.Cut(stamp, ".")
	s, err1 := strconv.ParseInt(sec, 10, 64)
	us, err2 := strconv.ParseInt(frac, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		l.t.Fatalf("lab %v printed no time: %q", args, out)
	}
	return time.Unix(s, us*1000)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// run runs scripts/lab and fails t if it fails.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := script(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// script runs scripts/lab and returns what it printed.
func script(args ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(root, "scripts", "lab"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/lab %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Root returns the top directory of the module that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}
