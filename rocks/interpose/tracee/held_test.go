package tracee_test

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
	"rock/rocks/interpose/tracee"
)

// progHeld makes one trapped call on the main thread or on another one, with a
// handler of SIGUSR1 that restarts calls or does not.
func progHeld() {
	main, restart := os.Args[1] == "main", os.Args[2] == "restart"
	handled := make(chan os.Signal, 16)
	signal.Notify(handled, unix.SIGUSR1)
	setRestart(unix.SIGUSR1, restart)
	go func() {
		for range handled {
			fmt.Println("handled")
		}
	}()
	onThread(main, func() {
		n, _, e := unix.Syscall6(unix.SYS_ACCEPT4, ^uintptr(0), 0, 0, 0, 0, 0)
		fmt.Println("accept", int(n), int(e))
	})
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until all was printed
}

// onThread runs f on this goroutine's thread, the main one, or on another, and waits.
func onThread(main bool, f func()) {
	if main {
		f()
		return
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // and never unlocks: f may change the thread
		f()
		done <- true
	}()
	<-done
}

// setRestart changes only the SA_RESTART of a handler.
func setRestart(s unix.Signal, restart bool) {
	const saRestart = 0x10000000
	var act struct{ handler, flags, restorer, mask uintptr } // struct sigaction of both kernels
	sigaction := func(act, old unsafe.Pointer) {
		_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(act), uintptr(old), 8, 0, 0)
		if e != 0 {
			panic(e)
		}
	}
	sigaction(nil, unsafe.Pointer(&act))
	act.flags &^= saRestart
	if restart {
		act.flags |= saRestart
	}
	sigaction(unsafe.Pointer(&act), nil)
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func interrupted(t *testing.T, tid int) bool {
	t.Helper()
	got, err := tracee.Interrupted(tid)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// needKillable skips where a held call is interrupted by any signal anyway.
func needKillable(t *testing.T, l *seccomp.Listener) {
	t.Helper()
	if !l.WaitKillable() {
		t.Skip("the kernel has no killable wait (5.19)")
	}
}

// A held call whose task has a signal due is restarted, and the kernel then does
// what it does natively: EINTR, or the call again.
func TestHeldCallAndSignal(t *testing.T) {
	tests := []struct {
		thread, handler string
		process         bool // the signal is for the process, not the thread
	}{
		{"main", "restart", false}, {"main", "eintr", false},
		{"main", "restart", true}, {"main", "eintr", true},
		{"other", "restart", false}, {"other", "eintr", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.thread, " ", tt.handler, " process ", tt.process), func(t *testing.T) {
			p := seccomptest.Start(t, "held", tt.thread, tt.handler)
			needKillable(t, p.Listener)
			c := p.Call(unix.SYS_ACCEPT4)
			if (c.TID == p.Pid) != (tt.thread == "main") {
				t.Fatalf("call of thread %d of process %d, want %s", c.TID, p.Pid, tt.thread)
			}
			if interrupted(t, c.TID) {
				t.Error("interrupted before the signal")
			}
			send(t, p.Pid, c.TID, tt.process)
			eventually(t, "a signal is due", func() bool {
				if tt.process { // another thread that comes by may take it first
					send(t, p.Pid, c.TID, true)
				}
				return interrupted(t, c.TID)
			})
			if !p.Listener.Valid(c) {
				t.Error("the signal ended the call by itself")
			}
			if err := p.Listener.Restart(c); err != nil {
				t.Fatal(err)
			}
			if tt.process {
				// It may do so even now, and then the call is made again, as natively.
				// What must never come is errno 512.
				p.Serve(1, func(c seccomp.Call) { _ = p.Listener.Return(c, 9) })
				checkResult(t, p, fmt.Sprint("accept -1 ", int(unix.EINTR)), "accept 9 0")
				return
			}
			want := fmt.Sprint("accept -1 ", int(unix.EINTR))
			if tt.handler == "restart" {
				again := p.Call(unix.SYS_ACCEPT4)
				if again.TID != c.TID || again.ID == c.ID {
					t.Errorf("restarted call %+v after %+v", again, c)
				}
				if interrupted(t, again.TID) {
					t.Error("interrupted after the handler ran")
				}
				if err := p.Listener.Return(again, 9); err != nil {
					t.Fatal(err)
				}
				want = "accept 9 0"
			}
			checkLines(t, p, "handled", want)
			p.Succeed()
		})
	}
}

func send(t *testing.T, pid, tid int, process bool) {
	t.Helper()
	var err error
	if process {
		err = unix.Kill(pid, unix.SIGUSR1)
	} else {
		err = unix.Tgkill(pid, tid, unix.SIGUSR1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkResult reads until the call's result and checks that it is one of those wanted.
func checkResult(t *testing.T, p *seccomptest.Program, want ...string) {
	t.Helper()
	for {
		line := p.Line()
		if line == "handled" {
			continue
		}
		if !slices.Contains(want, line) {
			t.Errorf("program says %q, want one of %q", line, want)
		}
		return
	}
}

// checkLines reads as many lines as wanted, in any order.
func checkLines(t *testing.T, p *seccomptest.Program, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, p.Line())
	}
	for _, w := range want {
		if !strings.Contains(strings.Join(got, "\n"), w) {
			t.Errorf("program says %q, want %q", got, want)
		}
	}
}

// A signal for the process that another thread takes is not the held thread's.
func TestSignalTakenByAnotherThread(t *testing.T) {
	p := seccomptest.Start(t, "held", "other", "eintr")
	needKillable(t, p.Listener)
	c := p.Call(unix.SYS_ACCEPT4)
	send(t, p.Pid, 0, true)
	if interrupted(t, c.TID) {
		t.Error("interrupted by a signal that the main thread takes")
	}
	if got := p.Line(); got != "handled" {
		t.Errorf("program says %q", got)
	}
	if interrupted(t, c.TID) {
		t.Error("interrupted by a signal that was taken")
	}
	if err := p.Listener.Return(c, 9); err != nil {
		t.Fatal(err)
	}
	checkLines(t, p, "accept 9 0")
	p.Succeed()
}

// A held thread keeps its process from stopping until it is restarted, and
// the program sees nothing of it.
func TestHeldCallAndStop(t *testing.T) {
	for _, thread := range []string{"main", "other"} {
		t.Run(thread, func(t *testing.T) {
			p := seccomptest.Start(t, "held", thread, "eintr")
			needKillable(t, p.Listener)
			c := p.Call(unix.SYS_ACCEPT4)
			if err := unix.Kill(p.Pid, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a stop is due", func() bool { return interrupted(t, c.TID) })
			if err := p.Listener.Restart(c); err != nil {
				t.Fatal(err)
			}
			var ws unix.WaitStatus
			if _, err := unix.Wait4(p.Pid, &ws, unix.WUNTRACED, nil); err != nil || !ws.Stopped() {
				t.Fatalf("process %v, %v, want stopped", ws, err)
			}
			if err := unix.Kill(p.Pid, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			again := p.Call(unix.SYS_ACCEPT4)
			if interrupted(t, again.TID) {
				t.Error("interrupted after the stop")
			}
			if err := p.Listener.Return(again, 9); err != nil {
				t.Fatal(err)
			}
			checkLines(t, p, "accept 9 0")
			p.Succeed()
		})
	}
}
