package survey

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// capabilities that CRIU uses, and what for. CAP_CHECKPOINT_RESTORE is not among them, as
// CAP_SYS_ADMIN includes it.
var capabilities = []struct {
	number  int
	name    string
	without string // what goes wrong
	minor   bool   // only some groups need it
}{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "CRIU cannot read seccomp filters and memory maps", false},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "CRIU cannot stop the processes", false},
	{unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "files of other users cannot be opened again", false},
	{unix.CAP_SETUID, "CAP_SETUID", "user ids cannot be restored", false},
	{unix.CAP_SETGID, "CAP_SETGID", "group ids cannot be restored", false},
	{unix.CAP_SETPCAP, "CAP_SETPCAP", "capabilities cannot be restored", false},
	{unix.CAP_KILL, "CAP_KILL", "processes of other users cannot be ended", false},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "buffer sizes of sockets cannot be restored", false},
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "inotify watches cannot be saved", true},
	{unix.CAP_CHOWN, "CAP_CHOWN", "deleted files of other users cannot be restored", true},
	{unix.CAP_FOWNER, "CAP_FOWNER", "deleted files of other users cannot be restored", true},
	{unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "processes with another root directory cannot be restored", true},
	{unix.CAP_SYS_NICE, "CAP_SYS_NICE", "raised priorities are lost", true},
	{unix.CAP_IPC_LOCK, "CAP_IPC_LOCK", "locked memory above the limit cannot be restored", true},
	{unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "resource limits above rock's own and a lowered oom_score_adj are lost, and large pipes need a larger fs.pipe-max-size", true},
}

// Capabilities says what this process lacks to checkpoint and restore with CRIU: problems always, warnings
// for some groups.
func Capabilities() (problems, warnings []Problem) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return []Problem{{What: "capabilities cannot be read: " + err.Error(), Remedy: "run as root"}}, nil
	}
	problems, warnings = missing(uint64(data[1].Effective)<<32 | uint64(data[0].Effective))
	var proc procfs
	status, err := proc.read(strconv.Itoa(os.Getpid()), "status")
	if n := number(field(status, "Seccomp")); err == nil && n != 0 {
		problems = append(problems, Problem{
			What:   "this process is under a seccomp filter, so CRIU cannot stop others that are under one",
			Remedy: "run rock outside of the container or sandbox, or with its filter off (docker run --security-opt seccomp=unconfined)",
		})
	}
	return problems, warnings
}

// missing is Capabilities for a set of effective ones.
func missing(effective uint64) (problems, warnings []Problem) {
	for _, c := range capabilities {
		switch {
		case effective&(1<<c.number) != 0:
		case c.minor:
			warnings = append(warnings, Problem{What: c.name + " is missing: " + c.without})
		default:
			problems = append(problems, Problem{What: c.name + " is missing: " + c.without, Remedy: "run as root"})
		}
	}
	return problems, warnings
}
