package criu

import (
	"strings"
	"testing"
)

// rlimitLine is in every log of a CRIU without CAP_SYS_RESOURCE.
const rlimitLine = "(00.000021) Error (criu/rlimit.c:18): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n"

func TestExplain(t *testing.T) {
	tests := []struct{ message, cause, remedy string }{
		{"vdso: Unexpected rt vDSO area bounds", "this CRIU does not understand the vDSO", "scripts/setup"},
		{"suspending seccomp failed: Operation not permitted", "criu itself runs under a seccomp filter", "outside"},
		{"Tracking memory is not available. Consider omitting --track-mem option.", "the kernel does not track", "without"},
		{"The root process 77 is not a session leader. Consider using --shell-job option", "process 77 is not a session leader", "rock -k"},
		{"A session leader of 78(5) is outside of its pid namespace", "the session leader of process 78 is outside", "rock -k"},
		{"tty: Found dangling tty with sid 10 pgid 11 (pts) on peer fd 0.", "the terminal pts (descriptor 0) belongs to session 10", "terminal"},
		{"Current gid 30 intersects with pid (30) in images", "this process has the gid 30", "another session"},
		{"Current sid 30 intersects with sid of (30) in images", "this process has the sid 30", "another session"},
		{"Can't dump file 5 of that type [600] (anon anon_inode:[io_uring])", "a process uses io_uring", "rock"},
		{"Unknown shit 600 (anon_inode:[io_uring])", "a process uses io_uring", "rock"},
		{"send_fds failed (-22)", "a process uses io_uring", "rock"},
		{"Can't dump file 5 of that type [600] (anon anon_inode:[userfaultfd])", "descriptor 5 is of a kind that CRIU cannot save (userfaultfd)", "close"},
		{"Can't dump file 6 of that type [600] (anon anon_inode:kvm-vm)", "descriptor 6 is of a kind that CRIU cannot save (kvm-vm)", "close"},
		{"Can't dump file 7 of that type [20666] (chr 10:229)", "descriptor 7 is a device (character device 10:229)", "close"},
		{"Can't dump file 8 of that type [60660] (unknown /dev/sda)", "descriptor 8 is of a kind that CRIU cannot save (unknown /dev/sda)", "close"},
		{"Can't handle non-regular mapping on 9's map 7f00", "memory is mapped from something that CRIU cannot save (9)", "unmap"},
		{"inet: Unsupported proto 262 for socket 1f", "a socket speaks MPTCP", "multipathtcp=0"},
		{"inet: Unsupported proto 132 for socket 1f", "a socket speaks a protocol that CRIU cannot save (number 132)", "close"},
		{"inet: Connected TCP socket, consider using --tcp-established option.", "a TCP connection is not a rock", "--tcp-close"},
		{"inet: Connected TCP socket in image", "the image has TCP connections", "--tcp-close"},
		{"inet: In-flight connection (l) for 3", "a connection waits to be accepted", "again"},
		{"inet: Socket state 2 obtained but expected 7", "a TCP connection is in the midst", "again"},
		{"unix: Can't dump half of stream unix connection. name: @a; peer name: /run/b", "a Unix socket is connected to a process outside of the group (name @a, peer /run/b)", "close"},
		{"unix: External socket is used. Consider using --ext-unix-sk option.", "a Unix socket is connected to a process outside", "close"},
		{"Can't dump ghost file /tmp/x of 4194304 size, increase limit", "the deleted file /tmp/x has 4194304 bytes", "limit"},
		{"Can't create link remap for /tmp/x y. Use link-remap option.", "the file /tmp/x y was renamed", "link-remap"},
		{"Can't lookup mount=23 for fd=0 path=/dev/null", "the file /dev/null (descriptor 0) was opened in another mount namespace", "redirect"},
		{"Some file locks are hold by dumping tasks! You can try --file-locks to dump them.", "a process holds a file lock", "allow"},
		{"fsnotify: \tCan't dump that handle", "a process watches a file (inotify)", "watch"},
		{"Unable to freeze cgroup /sys/fs/cgroup/freezer/x (100 x 100ms attempts, timeout: 10s)", "the cgroup /sys/fs/cgroup/freezer/x does not freeze", "state D"},
		{"Unseizable non-zombie 12 found, state D, err -1/12", "task 12 cannot be stopped: it is in uninterruptible sleep", "/proc/12/stack"},
		{"Unseizable non-zombie 12 found, state S, err -1/1", "task 12 (state S) cannot be stopped: something traces it", "TracerPid in /proc/12/status"},
		{"Timeout reached. Try to interrupt: 13", "task 13 did not stop in time", "/proc/13/status"},
		{"page-pipe: BUG at criu/mem.c:9", "criu has met a bug", "report"},
		{"Can't fork for 14: File exists", "pid 14 is taken", "end process 14"},
		{"tty: Unable to open dev/ptmx with specified index 3", "the terminal /dev/pts/3 of the group is another's here", "end what has it (see ps -t pts/3)"},
		{"inet: Can't bind inet socket (id 3): Address already in use", "its port is taken by another process", "ss -tlnp"},
		{"inet: Can't bind inet socket (id 3): Cannot assign requested address", "its port: this host does not have that address", "add"},
		{"File usr/bin/x has bad size 7 (expect 5)", "the file /usr/bin/x has 7 bytes, at the checkpoint it had 5", "bring back"},
		{"File usr/bin/x has bad mode 0100600 (expect 0100644)", "the file /usr/bin/x has mode 0600, at the checkpoint it had 0644", "chmod 0644 /usr/bin/x"},
		{"File srv has bad mode 040700 (expect 040755)", "the file /srv has mode 0700, at the checkpoint it had 0755", "chmod 0755 /srv"},
		{"File usr/bin/x has bad build-ID", "the file /usr/bin/x is another build", "install"},
		{"Can't open file srv/a b on restore: No such file or directory", "the file /srv/a b is missing", "bring back"},
		{"Can't open file /srv/a: Permission denied", "the file /srv/a cannot be opened (Permission denied)", "accessible"},
		{"Can't create ghost regfile: Read-only file system", "a file that was deleted but open", "directory"},
		{"Magic doesn't match for core-1.img", "the image file core-1.img is damaged", "another image"},
		{"Unexpected EOF on (empty-image)", "files of the image are missing", "another image"},
		{"Unexpected EOF on pstree.img", "the image file pstree.img is damaged", "another image"},
		{"cpu: FPU feature required by image is not supported on host (fpu:1 fxsr:1 osxsave:1 xsaves:0)", "this CPU lacks registers", "newer"},
		{"cpu: CPU instruction capabilities do not match run time", "this CPU lacks instructions", "newer"},
		{"net: Locking network failed: iptables-restore returned 1.", "the packets of a TCP connection", "--tcp-close"},
		{"Unable to set a pipe size: Operation not permitted", "a pipe must be larger", "fs.pipe-max-size"},
		{"Can't write 4096 bytes: No space left on device", "no space left on the device", "-D"},
		{"15 killed by signal 9: Killed", "process 15 was killed by signal 9", "memory"},
	}
	for _, tt := range tests {
		for _, prefix := range []string{
			"(00.012345) Error (criu/files.c:123): ",
			"(00.012345)   4711: Error (criu/files.c:123): ",
			"pie: 4711: Error (criu/pie/restorer.c:123): ",
			"Error (criu/files.c:123): ",
		} {
			line := prefix + tt.message
			f := explain(strings.NewReader(rlimitLine + "(00.01) some info\n" + line + "\n" +
				"(00.02) Error (criu/x.c:9): something that follows from it\n" +
				"(00.03) Error (criu/cr-dump.c:1): Dumping FAILED.\n"))
			if !strings.HasPrefix(f.cause, tt.cause) || !strings.Contains(f.remedy, tt.remedy) {
				t.Errorf("%s\ngot  %s: %s\nwant %s ... %s", line, f.cause, f.remedy, tt.cause, tt.remedy)
			}
			if len(f.lines) != 2 || f.lines[0] != line {
				t.Errorf("%s\nlines %q", line, f.lines)
			}
		}
	}
}

// Every rule is for something, and nothing that it needs is left out.
func TestEveryRuleIsWhole(t *testing.T) {
	for _, table := range [][]rule{specific, general} {
		for _, r := range table {
			if r.cause == "" || r.remedy == "" {
				t.Errorf("%v has no cause or no remedy", r.pattern())
			}
			for n := r.pattern().NumSubexp() + 1; n < 10; n++ {
				if strings.Contains(r.cause+r.remedy, "$"+string(rune('0'+n))) {
					t.Errorf("%v has no group %d", r.pattern(), n)
				}
			}
		}
	}
}

func TestExplainWhole(t *testing.T) {
	tests := []struct {
		name, log, cause string
		remedy           bool
		lines            int
	}{
		{"empty", "", "", false, 0},
		{"nothing wrong", rlimitLine + "(00.1) Dumping finished successfully\n", "", false, 0},
		{"unknown", rlimitLine + "(00.1) Error (a.c:1): one\n(00.1) Error (a.c:2): two\n", "one", false, 2},
		{"unknown, many", "(1.1) Error (a.c:1): one\n(1.1) Error (a.c:2): two\n(1.1) Error (a.c:3): three\n" +
			"(1.1) Error (a.c:4): four\n(1.1) Error (a.c:5): five\n", "one", false, 4},
		{"the first that is known", "(1.1) Error (a.c:1): one\n(1.1) Error (a.c:2): Can't fork for 5: File exists\n" +
			"(1.1) Error (a.c:2): Can't fork for 6: File exists\n", "pid 5 is taken (a zombie counts too)", true, 3},
		{"the specific before the general", "(1.1) Error (a.c:1): write: No space left on device\n" +
			"(1.1) Error (a.c:2): Can't fork for 5: File exists\n", "pid 5 is taken (a zombie counts too)", true, 2},
		{"a warning", "(1.1) Warn  (compel/infect.c:132): Unable to interrupt task: 9 (Operation not permitted)\n" +
			"(1.1) Error (compel/infect.c:417): Unable to detach from 9: No such process\n",
			"task 9 is being traced (debugger, strace)", true, 1},
		{"other warnings", "(1.1) Warn  (a.c:132): BUG at x\n", "", false, 0},
		{"not an error line", "(1.1) Can't fork for 5: File exists\n", "", false, 0},
		{"port of the same task", "(1.1)  7: inet: \tRestore: family AF_INET    type SOCK_STREAM    proto IPPROTO_TCP      port 80 state TCP_LISTEN       src_addr 10.0.0.1\n" +
			"(1.1)  8: inet: \tRestore: family AF_INET    type SOCK_STREAM    proto IPPROTO_TCP      port 81 state TCP_LISTEN       src_addr 0.0.0.0\n" +
			"(1.1)  7: Error (criu/sk-inet.c:1): inet: Can't bind inet socket (id 1): Address already in use\n",
			"10.0.0.1 port 80 is taken by another process, but the image has a socket bound to it", true, 1},
		{"a kill", "(1.1) Error (a.c:1): 7 killed by signal 9: Killed\n",
			"process 7 was killed by signal 9 while it was being restored", true, 1},
		{"a kill because of something else", "(1.1) Error (a.c:1): one\n(1.1) Error (a.c:1): 7 killed by signal 9: Killed\n", "one", false, 2},
		{"long line", strings.Repeat("x", 1<<20) + "\n(1.1) Error (a.c:1): one\n", "one", false, 1},
		{"cut off", "(1.1) Error (a.c:1): one", "one", false, 1},
	}
	for _, tt := range tests {
		f := explain(strings.NewReader(tt.log))
		if f.cause != tt.cause || (f.remedy != "") != tt.remedy || len(f.lines) != tt.lines {
			t.Errorf("%s: %+v, want %q, %d lines", tt.name, f, tt.cause, tt.lines)
		}
	}
}
