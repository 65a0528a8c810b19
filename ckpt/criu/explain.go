package criu

import (
	"regexp"
	"strings"
	"sync"
)

// rule explains one kind of error. In cause and remedy $1, $2, ... stand for the
// groups of the pattern, and $socket for the socket that was being restored.
type rule struct {
	// pattern is compiled when it is first asked for: or else each start of a program waits for all of them.
	pattern       func() *regexp.Regexp
	cause, remedy string
	first         bool // it is the cause only if nothing went wrong before
}

func (r rule) apply(e report) (cause, remedy string) {
	m := r.pattern().FindStringSubmatchIndex(e.message)
	expand := func(s string) string {
		socket := e.socket
		if socket == "" {
			socket = "its port"
		}
		s = strings.ReplaceAll(s, "$socket", strings.ReplaceAll(socket, "$", "$$"))
		return string(r.pattern().ExpandString(nil, s, e.message, m))
	}
	return expand(r.cause), expand(r.remedy)
}

// match returns the error that is the cause, and its explanation. As a rule the
// first error is the cause and the others follow from it; but one that says what
// it is about beats one that only says that the system refused something.
func match(all []report) (int, *rule) {
	for _, table := range [][]rule{specific, general} {
		for i, e := range all {
			for j := range table {
				if (i == 0 || !table[j].first) && table[j].pattern().MatchString(e.message) {
					return i, &table[j]
				}
			}
		}
	}
	return 0, nil
}

func on(pattern, cause, remedy string) rule {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
	return rule{pattern: compiled, cause: cause, remedy: remedy}
}

// onFirst is for what follows from other errors as a rule.
func onFirst(pattern, cause, remedy string) rule {
	r := on(pattern, cause, remedy)
	r.first = true
	return r
}

const refuseUring = "start the program under rock, which refuses io_uring, or without io_uring"

// specific has the errors by which CRIU 4.1 and 4.2 name what is in the way.
var specific = []rule{
	// Versions and kernels.
	on(`vdso: Unexpected rt vDSO area bounds`,
		"this CRIU does not understand the vDSO of this kernel",
		"run scripts/setup, or set ROCK_CRIU to criu 4.2 or later"),
	on(`sockets: Can't get 1:16 opt|Can't get SO_PASSCRED`,
		"this CRIU cannot read the options of sockets on this kernel",
		"run scripts/setup, or set ROCK_CRIU to criu 4.2 or later"),
	on(`suspending seccomp failed|couldn't suspend seccomp|seccomp: Can't fetch filter`,
		"criu itself runs under a seccomp filter, so that it may not look at those of others",
		"run the checkpoint outside of rock, and in a container with seccomp=unconfined"),
	on(`Tracking memory is not available`,
		"the kernel does not track written memory (CONFIG_MEM_SOFT_DIRTY)",
		"checkpoint without an earlier round of copying"),
	on(`You need to be root|Operation not permitted.*PTRACE_SEIZE|capset:`,
		"criu has not the privileges that it needs", "run this as root"),

	// Sessions and terminals.
	on(`The root process (\d+) is not a session leader`,
		"process $1 is not a session leader",
		"start the command with rock -k"),
	on(`A session leader of (?:zombie process )?(\d+)\((\d+)\) is outside`,
		"the session leader of process $1 is outside of the group",
		"start the command with rock -k"),
	on(`tty: Found dangling tty with sid (\d+) pgid \d+ \((.*?)\) on peer fd (\d+)`,
		"the terminal $2 (descriptor $3) belongs to session $1, outside of the group",
		"start the command with rock -k, or without a terminal"),
	on(`tty: Don't have tty to inherit session from|tty: Found slave peer index (\d+) without`,
		"a terminal of the group has its other end outside of it",
		"start the command with rock -k, or without a terminal"),
	on(`Current (sid|gid) (\d+) intersects with (?:\w+ of )?(?:pid )?\((\d+)\)`,
		"this process has the $1 $2, which the image has too",
		"restore from another session"),

	// Things that cannot be saved.
	// Since 6.7 the kernel does not let its descriptor be passed on, which is all that
	// CRIU says of one that is not mapped.
	on(`send_fds failed \(-22\)`,
		"a process uses io_uring, which CRIU cannot save",
		refuseUring),
	on(`\(anon(?: \w+)? ?anon_inode:\[?io_uring\]?|\(anon_inode:\[?io_uring|\[io_uring\]`,
		"a process uses io_uring, which CRIU cannot save",
		refuseUring),
	on(`Can't dump file (\d+) of that type \[\d+\] \(chr (\d+:\d+)`,
		"descriptor $1 is a device (character device $2), which CRIU cannot save",
		"close the device before the checkpoint"),
	on(`Can't dump file (\d+) of that type \[\d+\] \(anon (?:anon_inode:)?\[?([^\])]+)`,
		"descriptor $1 is of a kind that CRIU cannot save ($2)",
		"close it before the checkpoint"),
	on(`Can't dump file (\d+) of that type \[\d+\] \((\w+) ?(.*?)\)`,
		"descriptor $1 is of a kind that CRIU cannot save ($2 $3)",
		"close it before the checkpoint"),
	on(`Unknown shit \d+ \((.*)\)|Can't handle non-regular mapping on (\d+)'s map|Unsupported mapping found`,
		"memory is mapped from something that CRIU cannot save ($1$2)",
		"unmap it before the checkpoint"),
	on(`has uprobes vma`, "a process is being probed (uprobes)", "remove the probes and try again"),
	on(`inet: Unsupported proto 262`,
		"a socket speaks MPTCP, which CRIU cannot save",
		"start the command under rock, or with GODEBUG=multipathtcp=0 if it is written in Go"),
	on(`inet: Unsupported proto (\d+)`,
		"a socket speaks a protocol that CRIU cannot save (number $1)",
		"close it before the checkpoint"),
	on(`inet: Unsupported socket (family|type): (\d+)|Unknown pair family (\d+)|inet: Can't dump (\d+) inet socket`,
		"a socket is of a kind that CRIU cannot save ($1 $2$3$4)",
		"close it before the checkpoint"),
	on(`inet: Connected TCP socket,`,
		"a TCP connection is not a rock",
		"use --tcp-close (it is closed on restore) or --tcp-established (restored at the same address only)"),
	on(`inet: Connected TCP socket in image`,
		"the image has TCP connections that are not rocks",
		"restore with the option of the checkpoint: --tcp-close or --tcp-established"),
	on(`inet: In-flight connection|unix: .*[Ii]n-flight`,
		"a connection waits to be accepted",
		"try again in a moment"),
	on(`inet: Socket state (\d+) obtained but expected`,
		"a TCP connection is in the midst of opening or closing (state $1)",
		"try again in a moment"),
	on(`unix: Can't dump half of stream unix connection\. name: (.*?); peer name: (.*)`,
		"a Unix socket is connected to a process outside of the group (name $1, peer $2)",
		"close it before the checkpoint, or start the other process under the same rock -k"),
	on(`unix: External socket is used|unix: Can't dump name-less external|unix: Unix socket \d+ with(?:out| unreachable) peer`,
		"a Unix socket is connected to a process outside of the group",
		"close it before the checkpoint, or start the other process under the same rock -k"),
	on(`unix: External socket found in image`,
		"the image has a Unix socket to a process outside of the group",
		"restore needs that process: make the checkpoint without the connection"),
	on(`Can't dump ghost file (\S+) of (\d+) size`,
		"the deleted file $1 has $2 bytes, more than the limit",
		"have the program close it, or raise the limit of deleted files (ghost limit)"),
	on(`Can't create link remap for (.*?)\. Use link-remap`,
		"the file $1 was renamed or removed while open",
		"allow link-remap"),
	on(`Some file locks are hold`,
		"a process holds a file lock",
		"allow file locks"),
	on(`Can't lookup mount=(\d+) for fd=(-?\d+) path=(.*)`,
		"the file $3 (descriptor $2) was opened in another mount namespace, or its file system is not mounted any more",
		"have it opened in this mount namespace: redirect it there, as in rock -k COMMAND </dev/null"),
	on(`fsnotify:\s+Can't (?:dump that handle|find suitable path for handle)`,
		"a process watches a file (inotify) that cannot be found again by its handle",
		"have it watch a file that is not deleted and not on an overlay"),
	on(`Task (\d+) with SysVIPC shmem`,
		"process $1 uses System V shared memory", "start the group in an IPC namespace of its own (unshare -i)"),
	on(`Can't dump task (\d+) running in 32-bit mode`,
		"process $1 is a 32-bit program, which this CRIU cannot save", "use a 64-bit program"),
	on(`Can't dump nested (\w+) namespace for (\d+)`,
		"process $2 has a $1 namespace of its own inside of the group", "start it outside of the group"),
	on(`page-pipe: .*Too many open files|Too many open files`,
		"criu has run out of descriptors", "raise the limit of open files (ulimit -n)"),

	// Stopping the tasks.
	on(`Unable to freeze cgroup (\S+)`,
		"the cgroup $1 does not freeze: a task is in uninterruptible sleep",
		"look for tasks in state D (NFS, FUSE, vfork), and try again"),
	on(`Unseizable non-zombie (\d+) found, state D`,
		"task $1 cannot be stopped: it is in uninterruptible sleep, or its cgroup is frozen",
		"look at /proc/$1/stack, and try again"),
	on(`Unseizable non-zombie (\d+) found, state (\S), err -?\d+/(-?\d+)`,
		"task $1 (state $2) cannot be stopped: something traces it already (debugger, strace), or is not allowed to",
		"end the tracer (see TracerPid in /proc/$1/status), and try again"),
	on(`Unable to interrupt task: (\d+)`,
		"task $1 is being traced (debugger, strace)",
		"end the tracer (see TracerPid in /proc/$1/status), and try again"),
	on(`Timeout reached\. Try to interrupt: (\d+)`,
		"task $1 did not stop in time",
		"look at its state in /proc/$1/status, and try again"),
	on(`Individually stopped threads not supported|with a pending SIGTRAP|unsupported stop signal (\d+)`,
		"a thread is in the midst of being stopped or debugged",
		"try again in a moment"),
	on(`BUG at \S+`,
		"criu has met a bug of its own", "report the log to the CRIU project"),

	// Restoring.
	on(`Can't fork for (\d+): File exists`,
		"pid $1 is taken (a zombie counts too)",
		"end process $1 or have its parent wait for it, or restore in a new pid namespace"),
	on(`Conflict with a dead task with the same PID as of this thread \(virt (\d+)`,
		"pid $1 is taken", "end process $1, or restore in a new pid namespace"),
	on(`Unable to open \S*ptmx with specified index (\d+)`,
		"the terminal /dev/pts/$1 of the group is another's here",
		"end what has it (see ps -t pts/$1)"),
	on(`inet: Can't bind inet socket \(id \d+\): Address already in use`,
		"$socket is taken by another process, but the image has a socket bound to it",
		"end that process (see ss -tlnp)"),
	on(`inet: Can't bind inet socket \(id \d+\): Cannot assign requested address`,
		"$socket: this host does not have that address, but the image has a socket bound to it",
		"add the address, or restore where it is"),
	on(`inet: Can't connect inet socket back: (.*)`,
		"a socket cannot be connected again ($1)", "see that its peer is reachable from here"),
	on(`unix: Can't bind id \S+ ino \d+ addr (.*?): Address already in use`,
		"the Unix socket $1 is there already", "end the process that has it, or remove the file"),
	// Paths are relative to the root directory there.
	on(`File /?(.*) has bad size (\d+) \(expect (\d+)\)`,
		"the file /$1 has $2 bytes, at the checkpoint it had $3",
		"bring back the file as it was, or make it the same on both hosts"),
	on(`File /?(.*) has bad mode 0(?:10|4)?(\d+) \(expect 0(?:10|4)?(\d+)\)`,
		"the file /$1 has mode $2, at the checkpoint it had $3", "chmod $3 /$1"),
	on(`File /?(.*) has bad build-ID`,
		"the file /$1 is another build than at the checkpoint",
		"install the version that the group ran with"),
	on(`Can't open file /?(.+?)(?: on restore)?: No such file or directory`,
		"the file /$1 is missing", "bring back the file, or copy it from the host of the checkpoint"),
	on(`Can't open file /?(.+?)(?: on restore)?: (.+)`,
		"the file /$1 cannot be opened ($2)", "make it accessible as it was at the checkpoint"),
	on(`(?:Can't create ghost|Can't make ghost dir|Can't create node for ghost).*`,
		"a file that was deleted but open cannot be made again",
		"see that its directory is there and can be written"),
	on(`Can't open (\d+)/cwd|Can't open cwd|Can't change directory: (.*)`,
		"the working directory of a process is missing", "make the directory again"),
	on(`Magic doesn't match for (\S+)|Head magic doesn't match for (\S+)`,
		"the image file $1$2 is damaged, or of another CRIU", "use another image, or the CRIU that made it"),
	on(`Unexpected EOF on \((empty-image)\)`,
		"files of the image are missing", "use another image"),
	on(`Unexpected EOF on (\S+)|Failed unpacking object \S+ from (\S+)`,
		"the image file $1$2 is damaged", "use another image"),
	on(`Not supported images version (\d+)`,
		"the image is of a CRIU with another format (version $1)", "use the CRIU that made it"),
	on(`cpu: FPU feature required by image is not supported|cpu: CPU xfeatures|cpu: CPU xsave (?:max )?size mismatch|FPU xsave area present, but host cpu`,
		"this CPU lacks registers that the group was using",
		"restore on a CPU like that of the checkpoint, or a newer one"),
	on(`cpu: CPU (?:instruction )?capabilities do not match`,
		"this CPU lacks instructions that the group was using",
		"restore on a CPU like that of the checkpoint, or a newer one"),
	on(`cg: Can't (?:move into|make cgroup dir) (\S+)`,
		"the cgroup $1 cannot be used", "restore without cgroups"),
	on(`Locking network failed|Locking connection failed|Failed to lock TCP connection`,
		"the packets of a TCP connection cannot be held back (iptables or nftables fails)",
		"install iptables or nftables, or use --tcp-close"),
	on(`uffd: .*not supported|UFFD is not supported|Non-cooperative UFFD is not supported`,
		"the kernel lacks what lazy pages need (userfaultfd)", "restore without --lazy-pages"),
	on(`Unable to set a pipe size: Operation not permitted|splice: Bad file descriptor|Can't restore pipe size: Operation not permitted`,
		"a pipe must be larger than this host allows",
		"raise fs.pipe-max-size (sysctl) to 4194304 or more"),
	on(`page-xfer: .*page server`,
		"the connection over which memory is copied has broken", "check the link, and try again"),
	on(`Failed to restore shm id|Failed to set desired IPC`,
		"a System V IPC number is taken", "restore in an IPC namespace of its own"),
}

// general has what the system says, of whatever thing.
var general = []rule{
	on(`No space left on device`,
		"no space left on the device of the image", "free space there, or choose another directory (-D)"),
	on(`Disk quota exceeded`,
		"the disk quota is exceeded", "free space, or choose another directory (-D)"),
	on(`Read-only file system`,
		"a file system is read-only", "choose another directory (-D), or mount it writable"),
	on(`Cannot allocate memory`,
		"there is not enough memory", "free memory, or raise the memory limit of the cgroup"),
	on(`Can't open images directory|Can't chdir to work_dir`,
		"criu cannot open the directory of the image", "see that /proc is mounted, and that criu runs in the same pid namespace"),
	onFirst(`(\d+) killed by signal (\d+)`, // CRIU kills all if one fails
		"process $1 was killed by signal $2 while it was being restored",
		"see that the memory limit of the cgroup is large enough"),
}
