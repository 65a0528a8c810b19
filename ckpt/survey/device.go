package survey

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Numbers of character devices, from Documentation/admin-guide/devices.txt of the kernel.
const (
	majorMemory = 1
	majorTTY    = 4
	majorTTYAux = 5 // 0 tty, 1 console, 2 ptmx
	majorMisc   = 10
	majorSlaves = 136 // 136 to 143

	minorTun    = 200
	minorAutofs = 235
)

// character is for an open character device.
func (l *look) character(p *Process, fd int, path string, device uint64) {
	major, minor := unix.Major(device), unix.Minor(device)
	switch {
	case major == majorMemory: // null, zero, full, random, urandom, …
		l.judgeMount(p, "", path, at(fd), l.descriptorInfo(p.PID, fd).mount)
	case major == majorMisc && minor == minorAutofs:
	case major == majorMisc && minor == minorTun:
		l.warning(p, "device "+path, "has a tun interface open"+at(fd), "there must be room for one of that name when the group is restored")
	case major == majorTTYAux && minor == 2:
		l.master(p, fd)
	case major == majorTTYAux && minor == 0:
		// That is the controlling terminal, of which judgeTerminals knows.
	case major == majorTTYAux, major == majorTTY, major >= majorSlaves && major < majorSlaves+8:
		l.Terminals = append(l.Terminals, Terminal{Path: path, Device: device, PID: p.PID, FD: fd})
	default:
		l.problem(p, "device "+path, "has the device "+path+" open"+at(fd), "not possible to restore; close it")
	}
}

// master is for the master side of a pty.
func (l *look) master(p *Process, fd int) {
	text, err := l.proc.read(strconv.Itoa(p.PID), "fdinfo/"+strconv.Itoa(fd))
	if err != nil {
		return
	}
	index := uint32(number(field(text, "tty-index")))
	l.masters[unix.Mkdev(majorSlaves, index)] = true
	if at, found := slices.BinarySearch(l.PTYs, int(index)); !found {
		l.PTYs = slices.Insert(l.PTYs, at, int(index))
	}
}

// FreePTYs says which numbers of terminals are taken here. CRIU makes a terminal with the number that it had, or none.
func FreePTYs(numbers []int) []Problem {
	var problems []Problem
	for _, n := range numbers {
		path := "/dev/pts/" + strconv.Itoa(n)
		if _, err := os.Lstat(path); err == nil {
			problems = append(problems, Problem{What: "the group has made the terminal " + path + ", and here that is another's",
				Remedy: "end what has it (see ps -t pts/" + strconv.Itoa(n) + ")"})
		}
	}
	return problems
}

// judgeTerminals checks that somebody is there for the other side of each terminal.
func (l *look) judgeTerminals() {
	for i := range l.Terminals {
		t := &l.Terminals[i]
		t.Ours, t.Inside = t.Device == l.Terminal, l.masters[t.Device]
		p := l.of(t.PID)
		if p == nil || t.Ours || t.Inside {
			continue
		}
		if strings.HasPrefix(t.Path, "/dev/pts/") {
			l.problem(p, terminal(t.Device), "has the terminal "+t.Path+" open, whose other side is outside of the group"+at(t.FD),
				"start the command with rock -k, or redirect its input and output")
		} else {
			l.warning(p, terminal(t.Device), "has the terminal "+t.Path+" open"+at(t.FD), "it must be there when the group is restored")
		}
	}
	for i := range l.Processes {
		p := &l.Processes[i]
		if d := p.Terminal; d != 0 && p.State != 'Z' && d != l.Terminal && !l.masters[d] {
			l.problem(p, terminal(d), "has a controlling terminal from outside of the group", "start the command with rock -k")
		}
	}
}

// terminal is the thing of a problem with a terminal.
func terminal(device uint64) string { return "terminal " + strconv.FormatUint(device, 10) }
