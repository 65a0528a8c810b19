package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// file returns an open file and its inode.
func file(t testing.TB) (fd int, inode uint64) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return int(f.Fd()), st.Ino
}

func TestAnswers(t *testing.T) {
	src, inode := file(t)
	p := seccomptest.Start(t, "calls")
	l := p.Listener
	tests := []struct {
		name, ask string
		answer    func(seccomp.Call) error
		want      string
	}{
		{"continue", "name", l.Continue, fmt.Sprint(-1, int(unix.EBADF))},
		{"return", "name", func(c seccomp.Call) error { return l.Return(c, 7) }, "7 0"},
		{"return large", "name", func(c seccomp.Call) error { return l.Return(c, 1<<40) }, fmt.Sprint(1<<40, 0)},
		{"fail", "name", func(c seccomp.Call) error { return l.Fail(c, unix.EXFULL) }, fmt.Sprint(-1, int(unix.EXFULL))},
		{"add", "accept", func(c seccomp.Call) error { return l.AddFD(c, src, false) },
			fmt.Sprintf("inode %d cloexec false", inode)},
		{"add cloexec", "accept", func(c seccomp.Call) error { return l.AddFD(c, src, true) },
			fmt.Sprintf("inode %d cloexec true", inode)},
		{"add in two steps", "accept", func(c seccomp.Call) error {
			seccomp.SetTwoStep(l)
			return l.AddFD(c, src, true)
		}, fmt.Sprintf("inode %d cloexec true", inode)},
		{"set, then return", "name", func(c seccomp.Call) error {
			if err := l.SetFD(c, src, 77, false); err != nil {
				return err
			}
			return l.Return(c, 0)
		}, "0 0"},
	}
	for _, tt := range tests {
		p.Say(tt.ask)
		c := p.Call(map[string]int32{"name": unix.SYS_GETSOCKNAME, "accept": unix.SYS_ACCEPT4}[tt.ask])
		if !l.Valid(c) {
			t.Errorf("%s: the call is not valid", tt.name)
		}
		if int32(c.Args[0]) != -1 {
			t.Errorf("%s: first argument = %#x, want -1", tt.name, c.Args[0])
		}
		if err := tt.answer(c); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := p.Line(); !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: program got %q, want %q", tt.name, got, tt.want)
		}
		if l.Valid(c) {
			t.Errorf("%s: the call is valid after its answer", tt.name)
		}
		if err := l.Continue(c); !errors.Is(err, seccomp.ErrGone) {
			t.Errorf("%s: second answer: %v, want ErrGone", tt.name, err)
		}
	}
	p.Say("77")
	if got, want := p.Line(), fmt.Sprintf("77 inode %d cloexec false", inode); got != want {
		t.Errorf("descriptor that was set: %q, want %q", got, want)
	}
	p.Succeed()
}

// A call that cannot be answered in one way still waits for another answer.
func TestAnswerAfterFailure(t *testing.T) {
	src, _ := file(t)
	for _, twoStep := range []bool{false, true} {
		p := seccomptest.Start(t, "full")
		if twoStep {
			seccomp.SetTwoStep(p.Listener)
		}
		c := p.Call(unix.SYS_ACCEPT4)
		if err := p.Listener.AddFD(c, -1, true); !errors.Is(err, unix.EBADF) {
			t.Errorf("add a closed descriptor: %v, want EBADF", err)
		}
		if err := p.Listener.AddFD(c, src, true); !errors.Is(err, unix.EMFILE) {
			t.Errorf("add to a full table: %v, want EMFILE", err)
		}
		if err := p.Listener.Fail(c, unix.EMFILE); err != nil {
			t.Errorf("fail: %v", err)
		}
		if got, want := p.Line(), fmt.Sprint(int(unix.EMFILE)); got != want {
			t.Errorf("program got errno %s, want %s", got, want)
		}
		if !twoStep && seccomp.TakesTwoSteps(p.Listener) {
			t.Error("AddFD gave up FLAG_SEND, which the kernel has")
		}
		p.Succeed()
	}
}

func TestGone(t *testing.T) {
	src, _ := file(t)
	p := seccomptest.Start(t, "calls")
	p.Say("name")
	c := p.Call(unix.SYS_GETSOCKNAME)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	l := p.Listener
	answers := map[string]error{
		"continue": l.Continue(c),
		"return":   l.Return(c, 0),
		"fail":     l.Fail(c, unix.EPERM),
		"restart":  l.Restart(c),
		"add":      l.AddFD(c, src, true),
		"set":      l.SetFD(c, src, 5, true),
	}
	for name, err := range answers {
		if !errors.Is(err, seccomp.ErrGone) {
			t.Errorf("%s: %v, want ErrGone", name, err)
		}
	}
	if l.Valid(c) {
		t.Error("the call of a dead task is valid")
	}
	if _, err := l.Receive(); !errors.Is(err, seccomp.ErrEnded) {
		t.Errorf("receive: %v, want ErrEnded", err)
	}
}

func TestClosed(t *testing.T) {
	p := seccomptest.Start(t, "calls")
	p.Say("name")
	c := p.Call(unix.SYS_GETSOCKNAME)
	dup, err := p.Listener.File()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Listener.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := p.Listener.Receive(); !errors.Is(err, seccomp.ErrClosed) {
		t.Errorf("receive: %v, want ErrClosed", err)
	}
	if err := p.Listener.Continue(c); !errors.Is(err, seccomp.ErrClosed) {
		t.Errorf("continue: %v, want ErrClosed", err)
	}
	if err := p.Listener.AddFD(c, 0, true); !errors.Is(err, seccomp.ErrClosed) {
		t.Errorf("add: %v, want ErrClosed", err)
	}
	if _, err := p.Listener.File(); !errors.Is(err, seccomp.ErrClosed) {
		t.Errorf("file: %v, want ErrClosed", err)
	}

	// Another holder takes over; without any the calls fail with ENOSYS.
	fd, err := unix.Dup(int(dup.Fd()))
	dup.Close()
	if err != nil {
		t.Fatal(err)
	}
	heir := seccomp.NewListener(fd)
	if err := heir.Return(c, 3); err != nil {
		t.Errorf("return through the duplicate: %v", err)
	}
	if got, want := p.Line(), "3 0"; got != want {
		t.Errorf("program got %q, want %q", got, want)
	}
	heir.Close()
	p.Say("name")
	if got, want := p.Line(), fmt.Sprint(-1, int(unix.ENOSYS)); got != want {
		t.Errorf("without a listener the program got %q, want %q", got, want)
	}
	p.Succeed()
}

// Signals at the receivers' threads must never make an accept return 0.
func TestAddFDUnderSignals(t *testing.T) {
	const accepts = 10_000
	src, _ := file(t)
	got := make(chan os.Signal, 16)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)

	for _, twoStep := range []bool{false, true} {
		p := seccomptest.Start(t, "accepts", fmt.Sprint(accepts))
		if twoStep {
			seccomp.SetTwoStep(p.Listener)
		}
		tids := make(chan int, 2)
		var receivers sync.WaitGroup
		answer := func() {
			defer receivers.Done()
			tids <- unix.Gettid()
			serveAccepts(t, p.Listener, src)
		}
		receivers.Add(2)
		seccomp.Locked(answer)
		seccomp.Locked(func() { // one whose thread is open to signals
			var none unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil); err != nil {
				t.Error(err)
			}
			answer()
		})
		stop := make(chan struct{})
		flooded := make(chan int)
		go func() { flooded <- flood(stop, <-tids, <-tids) }()
		if got := p.Line(); got != "done" {
			t.Errorf("two steps %v: program says %q", twoStep, got)
		}
		close(stop)
		if n := <-flooded; n == 0 {
			t.Error("no signal was sent")
		}
		p.Succeed()
		receivers.Wait()
	}
}

// serveAccepts answers all calls with src until the last task has ended.
func serveAccepts(t *testing.T, l *seccomp.Listener, src int) {
	for {
		c, err := l.Receive()
		if errors.Is(err, seccomp.ErrEnded) {
			return
		}
		if err != nil {
			t.Errorf("receive: %v", err)
			return
		}
		if err := l.AddFD(c, src, true); err != nil && !errors.Is(err, seccomp.ErrGone) {
			t.Errorf("add: %v", err)
		}
	}
}

// flood sends signals to this process and to two of its threads until stop.
func flood(stop chan struct{}, tids ...int) (n int) {
	pid := unix.Getpid()
	for {
		select {
		case <-stop:
			return n
		default:
		}
		for _, tid := range tids {
			for _, s := range []unix.Signal{unix.SIGURG, unix.SIGUSR1} {
				_ = unix.Tgkill(pid, tid, s)
				_ = unix.Kill(pid, s)
				n += 2
			}
		}
	}
}
