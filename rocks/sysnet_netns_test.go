//go:build linux

package rocks

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// inNamespace runs the test that calls it in a network namespace of its own:
// in the parent it makes one, runs this test binary again in it, removes it
// and returns false; in the child it returns true.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const env = "ROCK_TEST_IN_NETNS"
	if os.Getenv(env) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		unable(t, "making a network namespace needs root")
	}
	name := fmt.Sprintf("rocktest-%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		unable(t, fmt.Sprintf("ip netns add: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del %s: %v: %s", name, err, out)
		}
	})
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", name,
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), env+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in namespace: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("the test did not run in the namespace:\n%s", out)
	}
	return false
}

// unable skips the test, or fails it where tests are required to run.
func unable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// ip runs ip(8) in this namespace.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// expect waits for a value; drain forgets those that belong to earlier events.
func expect(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case _, ok := <-ch:
		if !ok {
			t.Fatalf("%s: channel is closed", what)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing was told", what)
	}
}

func drain(ch <-chan struct{}) {
	for {
		select {
		case <-ch:
		case <-time.After(20 * watchWindow):
			return
		}
	}
}

func TestWatchSeesChanges(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ip(t, "link set lo up")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := System()
	changed, err := n.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	four, six := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("2001:db8:99::1")
	steps := []struct {
		ip     string
		listed []netip.Addr // by Addrs afterwards
		up     bool         // LocalUp(four) and CanReach of its network afterwards
	}{
		{"link add va type veth peer name vb", nil, false},
		{"link set vb up", nil, false},
		{"link set va up", nil, false},
		{"addr add 10.99.0.1/24 dev va", []netip.Addr{four}, true},
		{"route add 203.0.113.0/24 via 10.99.0.2", []netip.Addr{four}, true},
		{"-6 addr add 2001:db8:99::1/64 dev va nodad", []netip.Addr{four, six}, true},
		{"-6 route add default dev va", []netip.Addr{six, four}, true},
		{"route add default via 10.99.0.2", []netip.Addr{four, six}, true},
		{"link set vb down", nil, false}, // va has lost its carrier
		{"link set vb up", []netip.Addr{four, six}, true},
		{"link set va down", nil, false},
		{"link del va", nil, false},
	}
	for _, s := range steps {
		drain(changed)
		ip(t, s.ip)
		expect(t, changed, s.ip)
		await(t, s.ip, func() (string, bool) {
			addrs, err := n.Addrs()
			up, reach := n.LocalUp(four), n.CanReach(netip.MustParseAddr("10.99.0.2"))
			return fmt.Sprint(addrs, err, up, reach), err == nil && slices.Equal(addrs, s.listed) && up == s.up && reach == s.up
		})
	}
	cancel()
	for range changed {
	}
}

// await polls for a state that the kernel reaches some time after an event.
func await(t *testing.T, what string, ok func() (string, bool)) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(watchWindow) {
		state, done := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", what, state)
		}
	}
}

// TestWatchSurvivesOverflow loses events on purpose: the queue of the socket
// is filled while nobody reads.
func TestWatchSurvivesOverflow(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	small := func() *nl.NetlinkSocket {
		s, err := subscribe()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetReceiveBufferSize(1, false); err != nil { // the kernel takes its minimum
			t.Fatal(err)
		}
		return s
	}
	s, witness := small(), small()
	defer witness.Close()
	for i := range 50 {
		ip(t, fmt.Sprintf("link add a%d type veth peer name b%d", i, i))
	}
	if _, _, err := witness.Receive(); err != unix.ENOBUFS {
		t.Fatalf("no overflow was made: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan struct{}, 1)
	go debounce(ctx, func(ctx context.Context, changed func()) {
		if !receiveEvents(ctx, s, changed) {
			t.Error("gave up")
		}
	}, out)
	expect(t, out, "overflow")
	drain(out)
	ip(t, "link set lo up")
	expect(t, out, "change after the overflow")
	cancel()
	for range out {
	}
}

// TestWatchNeedsNoPrivilege subscribes on a thread that is nobody.
func TestWatchNeedsNoPrivilege(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		changed <-chan struct{}
		err     error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			results <- result{err: errno}
			return
		}
		changed, err := System().Watch(ctx)
		results <- result{changed, err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatal(r.err)
	}
	ip(t, "link set lo up")
	expect(t, r.changed, "link up")
}

// TestDialRoutes dials from each of two addresses.
func TestDialRoutes(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ip(t, "link set lo up")
	ip(t, "addr add 10.99.0.1/24 dev lo")
	ip(t, "addr add 10.99.1.1/24 dev lo")
	for _, local := range []string{"10.99.0.1", "10.99.1.1"} {
		r := Route{
			Local:  netip.MustParseAddr(local),
			Remote: netip.MustParseAddrPort("10.99.0.1:0"),
			MSS:    777,
		}
		dialed, accepted := connect(t, "[::]:0", r)
		if got := netip.MustParseAddrPort(accepted.RemoteAddr().String()).Addr().Unmap(); got != r.Local {
			t.Errorf("came from %v, want %v", got, r.Local)
		}
		if got := System().SYNMSS(accepted); got != 777 {
			t.Errorf("MSS in the SYN is %d, want 777", got)
		}
		if _, err := io.WriteString(dialed, "x"); err != nil {
			t.Error(err)
		}
	}
}
