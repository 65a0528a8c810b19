package front

import (
	"fmt"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/rocks/group/stage"
)

// marker is a signal sent last and to the front alone: what was passed on before it has arrived
// before it.
const marker = syscall.Signal(60)

// mark sends the marker and returns what the program got before it.
func (u *underRock) mark() []string {
	u.t.Helper()
	if err := unix.Kill(u.front.Process.Pid, marker); err != nil {
		u.t.Fatal(err)
	}
	return u.until(markerLine)
}

// markerLine is the line of a helper that got the marker.
const markerLine = "got  60 "

// TestSignalsOnce sends each signal in each way and wants it in the program exactly once.
func TestSignalsOnce(t *testing.T) {
	ways := []struct {
		name string
		send func(front int, sig syscall.Signal) error
		last syscall.Signal // real-time signals above have one way only
	}{
		{"front alone", func(front int, sig syscall.Signal) error { return unix.Kill(front, sig) }, 64},
		{"process group", func(front int, sig syscall.Signal) error { return unix.Kill(-front, sig) }, 64},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) { eachSignalOnce(t, startHelper(t, "signals"), way.send) })
		t.Run("session, "+way.name, func(t *testing.T) {
			needRoot(t)
			eachSignalOnce(t, startHelper(t, "signals", "-k"), way.send)
		})
	}
}

func eachSignalOnce(t *testing.T, u *underRock, send func(front int, sig syscall.Signal) error) {
	front := u.front.Process.Pid
	for sig := range stage.Sigset(mirrored).All() {
		if sig == marker {
			continue
		}
		if err := send(front, sig); err != nil {
			t.Fatal(err)
		}
		if got, want := u.line(), fmt.Sprintf("got %s %d 0", unix.SignalName(sig), int(sig)); got != want {
			t.Errorf("%v: got %q, want %q", sig, got, want)
		}
		if extra := u.mark(); len(extra) > 0 {
			t.Errorf("%v: got also %q", sig, extra)
		}
	}
}

// TestSignalStorm sends many signals to the process group, one after the other: none may be
// passed on a second time.
func TestSignalStorm(t *testing.T) {
	u := startHelper(t, "signals")
	front := u.front.Process.Pid
	const rounds = 500
	for i := range rounds {
		if err := unix.Kill(-front, unix.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if got, want := u.line(), "got SIGUSR1 10 0"; got != want {
			t.Fatalf("round %d: got %q, want %q", i, got, want)
		}
		if extra := u.mark(); len(extra) > 0 {
			t.Fatalf("round %d: got also %q", i, extra)
		}
	}
}

// TestSignalMix sends to the group and to the front by turns without waiting.
func TestSignalMix(t *testing.T) {
	u := startHelper(t, "signals")
	front := u.front.Process.Pid
	const rounds = 40 // real-time signals queue, so each counts
	for range rounds {
		for _, pid := range []int{front, -front} {
			if err := unix.Kill(pid, 40); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 * rounds {
		if got, want := u.line(), "got  40 0"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if extra := u.mark(); len(extra) > 0 {
		t.Errorf("got also %d signals", len(extra))
	}
}

// TestSignalValue sends a signal with a value, as sigqueue(3) does.
func TestSignalValue(t *testing.T) {
	u := startHelper(t, "signals")
	var info signal
	info.setNumber(45)
	*(*int32)(unsafe.Pointer(&info[offCode])) = codeQueue
	*(*int32)(unsafe.Pointer(&info[offSender])) = int32(unix.Getpid())
	*(*int32)(unsafe.Pointer(&info[24])) = 4711
	_, _, e := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(u.front.Process.Pid), 45, uintptr(unsafe.Pointer(&info)))
	if e != 0 {
		t.Fatal(e)
	}
	if got, want := u.line(), "got  45 4711"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSignalAfterStop stops and continues the whole job, and the program alone.
func TestSignalAfterStop(t *testing.T) {
	u := startHelper(t, "signals")
	front := u.front.Process.Pid
	for _, way := range []struct {
		name       string
		stop, cont func() error
	}{
		{"the command stops by itself", func() error { return unix.Kill(u.pid, unix.SIGSTOP) }, func() error { return unix.Kill(-front, unix.SIGCONT) }},
		{"the group", func() error { return unix.Kill(-front, unix.SIGSTOP) }, func() error { return unix.Kill(-front, unix.SIGCONT) }},
		{"the group, the front continued", func() error { return unix.Kill(-front, unix.SIGSTOP) }, func() error { return unix.Kill(front, unix.SIGCONT) }},
		{"the command, the front continued", func() error { return unix.Kill(u.pid, unix.SIGSTOP) }, func() error { return unix.Kill(front, unix.SIGCONT) }},
		{"the command, it alone continued", func() error { return unix.Kill(u.pid, unix.SIGSTOP) }, func() error { return unix.Kill(u.pid, unix.SIGCONT) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			if err := way.stop(); err != nil {
				t.Fatal(err)
			}
			var status unix.WaitStatus
			if _, err := unix.Wait4(front, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() || status.StopSignal() != unix.SIGSTOP {
				t.Fatalf("front: got status %#x (%v), want stopped by SIGSTOP", status, err)
			}
			if err := way.cont(); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.Wait4(front, &status, unix.WCONTINUED, nil); err != nil || !status.Continued() {
				t.Fatalf("front: got status %#x (%v), want continued", status, err)
			}
			if got, want := u.line(), "got SIGCONT 18 0"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if extra := u.mark(); len(extra) > 0 {
				t.Errorf("got also %q", extra)
			}
		})
	}
}
