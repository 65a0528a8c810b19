package survey

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withAddress gives a role something in an environment variable.
func withAddress(address string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "SURVEY_TEST_ADDRESS="+address) }
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		role string
		want []string // in the one problem; nil: none
	}{
		{"plain", nil},
		{"files", nil},
		{"supported", nil},
		{"sockets", nil},
		{"terminal", nil},
		{"session", nil},
		{"zombie", nil},
		{"vfork", nil},
		{"pipes", nil},
		{"device", []string{"/device open (descriptor ", "close it"}},
		{"mount", []string{"null open through a mount of another mount namespace", "(descriptor ", "redirect it"}},
		{"block", []string{"block device", "/disk open (descriptor "}},
		{"io_uring", []string{"has io_uring open", "UV_USE_IO_URING=0"}},
		{"userfaultfd", []string{"has userfaultfd open (descriptor "}},
		{"pidfd", []string{"has a pidfd of survey.test (pid ", "outside of the group"}},
		{"family", []string{"has a socket of the family "}},
		{"headless", []string{"goes on without its main thread"}},
		{"filters", []string{"has seccomp filters of its own (1)"}},
		{"cwd", nil},
		{"sysv", []string{"System V shared memory (SYSV"}},
	} {
		t.Run(test.role, func(t *testing.T) {
			s := take(t, Options{Root: start(t, test.role)})
			if test.want == nil {
				wantNone(t, s.Problems)
				return
			}
			wantProblem(t, s.Problems, append(test.want, "exe (pid "+strconv.Itoa(s.Processes[0].PID)+") ")...)
		})
	}
}

func TestProcesses(t *testing.T) {
	pid := start(t, "zombie")
	s := take(t, Options{Root: pid, Pids: []int{pid}})
	if len(s.Processes) != 2 || s.Processes[0].PID != pid || s.Processes[1].Parent != pid || s.Processes[1].State != 'Z' {
		t.Fatalf("got processes %+v", s.Processes)
	}
	p := s.Processes[0]
	exe, _ := os.Executable()
	if p.Session != pid || p.Group != pid || p.Exe.Path != exe || len(p.Threads) < 2 || p.Root != "/" || p.Memory < 1<<20 ||
		p.Namespaces["pid"] == 0 || p.Namespaces["time"] == 0 || p.Terminal != 0 {
		t.Errorf("got process %+v", p)
	}
}

func TestGone(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if s, err := Take(Options{Root: pid, Pids: []int{pid}}); err == nil || !strings.Contains(err.Error(), strconv.Itoa(pid)) {
		t.Errorf("got %+v, %v, want an error", s, err)
	}
	live := start(t, "plain")
	if s := take(t, Options{Root: live, Pids: []int{pid, live}}); len(s.Processes) != 1 || len(s.Problems) != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestDaemon(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pid")
	root := start(t, "daemon", withAddress(name))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	// Its old parent is a zombie until it is waited for, but no process is below it any more.
	s := take(t, Options{Root: root, Pids: []int{root, orphan}})
	wantProblem(t, s.Problems, "(pid "+string(b)+") has left the tree of the command (daemonized): run it in the foreground")
}

func TestNoSession(t *testing.T) {
	pid := start(t, "plain", func(cmd *exec.Cmd) { cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setpgid = false, true })
	s := take(t, Options{Root: pid})
	if len(s.Problems) == 0 || !strings.Contains(s.Problems[0].String(), "is not the leader of a session: start the command with rock -k") {
		t.Errorf("got problems\n%s", lines(s.Problems))
	}
}

func TestForeignSession(t *testing.T) {
	root := start(t, "plain")
	other := start(t, "session")
	s := take(t, Options{Root: root, Pids: []int{root, other}})
	var tree, more []Problem
	for _, p := range s.Problems {
		if p.PID == other && strings.Contains(p.What, "has left the tree") {
			tree = append(tree, p)
		} else {
			more = append(more, p)
		}
	}
	// The child of other has a session of its own; it has left the tree as well.
	if len(tree) != 1 || len(more) != 1 || !strings.Contains(more[0].What, "has left the tree") {
		t.Errorf("got problems\n%s", lines(s.Problems))
	}
}

func TestTracer(t *testing.T) {
	pid := start(t, "plain")
	traced := make(chan error)
	done := make(chan struct{})
	go func() { // of one thread, which the tracer is
		defer close(traced)
		lock(func() {
			if err := unix.PtraceSeize(pid); err != nil {
				traced <- err
				return
			}
			traced <- nil
			<-done
			// The end of the thread that traces detaches.
		})
	}()
	if err := <-traced; err != nil {
		t.Fatal(err)
	}
	s := take(t, Options{Root: pid})
	close(done)
	<-traced
	wantProblem(t, s.Problems, "is traced by survey.test (pid ", "detach the debugger")
}

func TestNamespaces(t *testing.T) {
	s := take(t, Options{Root: start(t, "namespace")})
	if text := lines(s.Problems); len(s.Problems) != 2 || !strings.Contains(text, "is in a network namespace of its own") ||
		!strings.Contains(text, "is in a host name namespace of its own") {
		t.Errorf("got problems\n%s", text)
	}
}

func TestWaiting(t *testing.T) {
	pid := start(t, "vfork")
	s := take(t, Options{Root: pid})
	wantProblem(t, s.Warnings, "waits in the kernel", "(state D", "between vfork and exec")
	wantNone(t, take(t, Options{Root: pid, Frozen: true}).Warnings)
}

func TestFiles(t *testing.T) {
	root := start(t, "files")
	s := take(t, Options{Root: root})
	dir := s.Processes[0].Cwd
	exe, _ := os.Executable()
	for _, want := range []File{
		{Path: exe, Kind: KindExe},
		{Path: dir, Kind: KindDirectory},
		{Path: dir + "/regular", Kind: KindRegular, Size: 5, Pos: 5, Flags: unix.O_RDWR | unix.O_LARGEFILE, FD: 1, Mode: unix.S_IFREG | 0o640},
		{Path: dir + "/log", Kind: KindAppend, FD: 1},
		{Path: dir + "/deleted", Kind: KindDeleted, Size: 1 << 20, FD: 1},
		{Path: dir + "/mapped", Kind: KindRegular, Size: 100},
		{Path: dir + "/odd (deleted)", Kind: KindRegular, FD: 1},
	} {
		got := find(t, s, want.Path)
		if got.Kind != want.Kind || (got.FD >= 0) != (want.FD > 0) || got.PID != root || want.Size != 0 && got.Size != want.Size ||
			want.Mode != 0 && (got.Mode != want.Mode || got.Pos != want.Pos || got.Flags&unix.O_ACCMODE != unix.O_RDWR) {
			t.Errorf("got file %+v, want one like %+v", got, want)
		}
	}
	var libs int
	for _, f := range s.Files {
		if strings.HasPrefix(f.Path, "/proc/") {
			t.Errorf("got file %+v, which is only there after the restore", f)
		}
		if f.Kind == KindLib {
			libs++
		}
	}
	t.Logf("%d libraries", libs)
	wantNone(t, CheckFiles(s.Files, Past{When: "at the checkpoint"}))
	s = take(t, Options{Root: root, GhostLimit: 4096})
	wantProblem(t, s.Problems, "has the deleted file "+dir+"/deleted open or mapped, with 1 MiB")
}

func TestDeletedFolder(t *testing.T) {
	s := take(t, Options{Root: start(t, "cwd")})
	path := strings.TrimSuffix(s.Processes[0].Cwd, " (deleted)")
	if f := find(t, s, path); f.Kind != KindDeleted || f.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.Errorf("got file %+v", f)
	}
	wantNone(t, CheckFiles(s.Files, Past{When: "at the checkpoint"}))
}

func TestSharedMemory(t *testing.T) {
	name := "/dev/shm/survey-test-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { _ = os.Remove(name) })
	s := take(t, Options{Root: start(t, "shm", withAddress(name))})
	wantNone(t, s.Problems)
	wantProblem(t, s.Warnings, "uses the shared memory "+name)
}

func TestMemory(t *testing.T) {
	less := take(t, Options{Root: start(t, "plain")}).Memory
	more := take(t, Options{Root: start(t, "memory")}).Memory
	if grown := (more - less) >> 20; grown < 44 || grown > 60 {
		t.Errorf("48 MiB more of memory count as %d MiB", grown)
	}
}

func TestTerminalOutside(t *testing.T) {
	master, slave := pty(t)
	defer master.Close()
	defer slave.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(slave.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	root := start(t, "plain", func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr.Setctty = true
	})
	s := take(t, Options{Root: root})
	wantProblem(t, s.Problems, "has the terminal "+slave.Name()+" open, whose other side is outside of the group (descriptor 0)")
	s = take(t, Options{Root: root, Terminal: st.Rdev})
	wantNone(t, s.Problems)
	if len(s.Terminals) != 3 || !s.Terminals[0].Ours || s.Processes[0].Terminal != st.Rdev {
		t.Errorf("got terminals %+v, process %+v", s.Terminals, s.Processes[0])
	}
}

func TestUnixOutside(t *testing.T) {
	name := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := start(t, "unix", withAddress(name))
	s := take(t, Options{Root: root})
	wantProblem(t, s.Problems, "waits to be accepted on a Unix socket by a listener outside")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s = take(t, Options{Root: root})
	wantProblem(t, s.Problems, "connected to the outside, to "+name)
	if len(s.Outside) != 1 || !strings.HasPrefix(s.Outside[0].Key, "socket:[") {
		t.Fatalf("got outside %+v", s.Outside)
	}
	key := s.Outside[0].Key
	wantNone(t, take(t, Options{Root: root, Replaces: func(k string) bool { return k == key }}).Problems)
	_ = c.Close()
	wantNone(t, take(t, Options{Root: root}).Problems) // it has an end of file now, and later
}

func TestDatagramOutside(t *testing.T) {
	name := filepath.Join(t.TempDir(), "socket")
	l, err := net.ListenPacket("unixgram", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := take(t, Options{Root: start(t, "dgram", withAddress(name))})
	wantNone(t, s.Problems)
	wantProblem(t, s.Warnings, "connected to the outside, to "+name, "must be there when the group is restored")
}

func TestEvents(t *testing.T) {
	s := take(t, Options{Root: start(t, "events")})
	wantNone(t, s.Problems)
	wantProblem(t, s.Warnings, "listens to events on a netlink socket")
}
