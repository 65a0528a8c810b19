package image

import (
	"os"
	"testing"

	core_x86 "github.com/checkpoint-restore/go-criu/v7/crit/images/core-x86"
	criu_core "github.com/checkpoint-restore/go-criu/v7/crit/images/criu-core"
	"github.com/checkpoint-restore/go-criu/v7/crit/images/siginfo"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// thread writes the image of a thread with some registers.
func thread(t *testing.T, root *os.Root, name string, ax int64, call, di, si, dx, r10 uint64, change func(*criu_core.CoreEntry)) {
	t.Helper()
	u := proto.Uint64
	core := &criu_core.CoreEntry{
		Mtype: criu_core.CoreEntry_X86_64.Enum(),
		ThreadInfo: &core_x86.ThreadInfoX86{ClearTidAddr: u(0), Gpregs: &core_x86.UserX86RegsEntry{
			R15: u(0), R14: u(0), R13: u(0), R12: u(0), Bp: u(0), Bx: u(0), R11: u(0), R10: u(r10), R9: u(0), R8: u(0),
			Ax: u(uint64(ax)), Cx: u(0), Dx: u(dx), Si: u(si), Di: u(di), OrigAx: u(call), Ip: u(1000), Cs: u(0), Flags: u(0),
			Sp: u(0), Ss: u(0), FsBase: u(0), GsBase: u(0), Ds: u(0), Es: u(0), Fs: u(0), Gs: u(0),
		}},
	}
	if change != nil {
		change(core)
	}
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(core)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeEntries(root, name, coreMagic, [][]byte{b}); err != nil {
		t.Fatal(err)
	}
}

func registers(t *testing.T, root *os.Root, name string) *core_x86.UserX86RegsEntry {
	t.Helper()
	entries, err := readEntries(root, name, coreMagic)
	if err != nil {
		t.Fatal(err)
	}
	var core criu_core.CoreEntry
	if err := unmarshal(entries[0], &core); err != nil {
		t.Fatal(err)
	}
	return core.ThreadInfo.Gpregs
}

func TestRestartCalls(t *testing.T) {
	const eintr = -int64(unix.EINTR)
	const none = ^uint64(0) // not in a call
	for _, tt := range []struct {
		name           string
		ax             int64
		call           uint64
		di, si, dx, rt uint64
		want           bool
		wantDi, wantDx uint64
	}{
		{"poll", eintr, 7, 1, 2, 3, 4, true, 1, 3},
		{"epoll_wait", eintr, 232, 1, 2, 3, 4, true, 1, 3},
		{"nanosleep that is told the rest", eintr, nanosleep, 1, 2, 3, 4, true, 2, 3},
		{"nanosleep that is not", eintr, nanosleep, 1, 0, 3, 4, true, 1, 3},
		{"clock_nanosleep that is told the rest", eintr, clockNanosleep, 1, 2, 3, 4, true, 1, 4},
		{"clock_nanosleep that is not", eintr, clockNanosleep, 1, 2, 3, 0, true, 1, 3},
		{"close", eintr, 3, 1, 2, 3, 4, false, 1, 3},
		{"poll with a result", 1, 7, 1, 2, 3, 4, false, 1, 3},
		{"not in a call", eintr, none, 1, 2, 3, 4, false, 1, 3},
		{"restart_syscall", eintr, 219, 1, 2, 3, 4, false, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			thread(t, root, "core-1.img", tt.ax, tt.call, tt.di, tt.si, tt.dx, tt.rt, nil)
			calls, err := RestartCalls(dir)
			n := len(calls)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want && uint64(calls[1]) != tt.call {
				t.Errorf("restarted %v, want call %d of thread 1", calls, tt.call)
			}
			r := registers(t, root, "core-1.img")
			wantIP, wantAx := uint64(1000), uint64(tt.ax)
			if tt.want {
				wantIP, wantAx = 998, tt.call
			}
			if (n == 1) != tt.want || r.GetIp() != wantIP || r.GetAx() != wantAx || r.GetDi() != tt.wantDi || r.GetDx() != tt.wantDx {
				t.Errorf("%d restarted; ip %d ax %d di %d dx %d, want ip %d ax %d di %d dx %d", n,
					r.GetIp(), int64(r.GetAx()), r.GetDi(), r.GetDx(), wantIP, int64(wantAx), tt.wantDi, tt.wantDx)
			}
		})
	}
}

// TestRestartCallsSignal leaves calls alone that a signal may have interrupted.
func TestRestartCallsSignal(t *testing.T) {
	signals := &siginfo.SignalQueueEntry{Signals: []*siginfo.SiginfoEntry{{Siginfo: make([]byte, 128)}}}
	for name, pending := range map[string]func(*criu_core.CoreEntry){
		"for the thread":  func(c *criu_core.CoreEntry) { c.ThreadCore = &criu_core.ThreadCoreEntry{SignalsP: signals} },
		"for the process": func(c *criu_core.CoreEntry) { c.Tc = &criu_core.TaskCoreEntry{SignalsS: signals} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			thread(t, root, "core-1.img", -int64(unix.EINTR), 7, 1, 2, 3, 4, nil)
			thread(t, root, "core-2.img", -int64(unix.EINTR), 7, 1, 2, 3, 4, pending)
			if n, err := RestartCalls(dir); len(n) != 0 || err != nil {
				t.Errorf("%v restarted, %v", n, err)
			}
			if ip := registers(t, root, "core-1.img").GetIp(); ip != 1000 {
				t.Errorf("the thread was taken back to %d", ip)
			}
		})
	}
}
