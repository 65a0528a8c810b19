package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// KillAtRest makes it die some time after its start, or at the next moment after that in which no process executes
// anything for it. One that does would be lost with it, which nobody can prevent: it runs into the breakpoint behind
// CRIU's system call, and there is no tracer any more that takes the SIGTRAP.
func (c *CRIU) KillAtRest(t testing.TB, after time.Duration) {
	c.Heal(t)
	ctx, cancel := context.WithCancel(context.Background())
	c.killer = &killer{began: c.path + ".began", after: after, cancel: cancel, done: make(chan struct{})}
	go c.killer.run(ctx)
}

// stopKiller keeps a CRIU from being killed that has not been yet.
func (c *CRIU) stopKiller() {
	if c.killer == nil {
		return
	}
	c.killer.cancel()
	<-c.killer.done
	c.killer = nil
}

// killer waits for one start of CRIU.
type killer struct {
	began  string // the file that has its pid
	after  time.Duration
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

const killerPause = 200 * time.Microsecond

func (k *killer) run(ctx context.Context) {
	defer close(k.done)
	pid := 0
	for pid == 0 {
		if ctx.Err() != nil {
			return
		}
		time.Sleep(killerPause)
		text, _ := os.ReadFile(k.began)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	time.Sleep(k.after)
	for ctx.Err() == nil && syscall.Kill(pid, syscall.SIGSTOP) == nil {
		for state(pid) != 'T' {
			if s := state(pid); s == 0 || s == 'Z' || ctx.Err() != nil {
				return
			}
			time.Sleep(killerPause)
		}
		if atRest(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return
		}
		_ = syscall.Kill(pid, syscall.SIGCONT)
		time.Sleep(killerPause)
	}
}

// state is that of a process, as proc(5) has it; 0 if there is none.
func state(pid int) byte { return stateOf(filepath.Join("/proc", strconv.Itoa(pid))) }

func stateOf(dir string) byte {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	end := bytes.LastIndexByte(stat, ')')
	if err != nil || end < 0 || len(stat) < end+3 {
		return 0
	}
	return stat[end+2]
}

// atRest says whether no thread executes anything for a tracer, which stands still.
func atRest(tracer int) bool {
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	mark := fmt.Sprintf("TracerPid:\t%d\n", tracer)
	for _, dir := range threads {
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		if strings.Contains(string(status), mark) && !threadAtRest(dir) {
			return false
		}
	}
	return true
}

// CRIU's code in a thread (compel): the system call, the breakpoint behind it, and its own program, which goes home by
// itself when it waits for CRIU and CRIU is gone.
const (
	sysRecvmsg  = "47"
	breakpoint  = 0xcc
	parasiteMap = "CRIUMFD"
)

var sysCallTrap = []byte{0x0f, 0x05, breakpoint}

func threadAtRest(dir string) bool {
	text, _ := os.ReadFile(filepath.Join(dir, "syscall"))
	fields := strings.Fields(string(text))
	if stateOf(dir) != 't' {
		return len(fields) > 0 && fields[0] == sysRecvmsg
	}
	if len(fields) < 2 {
		return false
	}
	pc, err := strconv.ParseUint(fields[len(fields)-1], 0, 64)
	if err != nil {
		return false
	}
	mem, err := os.Open(filepath.Join(dir, "mem"))
	if err != nil {
		return false
	}
	defer mem.Close()
	var code [4]byte
	if _, err := mem.ReadAt(code[:], int64(pc)-1); err != nil {
		return false
	}
	return code[0] != breakpoint && !bytes.Equal(code[1:], sysCallTrap) && !within(dir, pc, parasiteMap)
}

// within says whether an address is in a mapping with a word in its name.
func within(dir string, addr uint64, word string) bool {
	maps, _ := os.ReadFile(filepath.Join(dir, "maps"))
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x ", &from, &to); err == nil && from <= addr && addr < to {
			return strings.Contains(line, word)
		}
	}
	return false
}
