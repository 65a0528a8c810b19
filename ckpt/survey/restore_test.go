package survey

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFree(t *testing.T) {
	// sh leaves a child that goes on in its session and process group, and then is a zombie.
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & echo $!")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer unix.Kill(-pid, unix.SIGKILL)
	var buf [32]byte
	if _, err := out.Read(buf[:]); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, Free([]int{pid}), "pid "+itoa(pid)+" of the image is in use by sh, which has ended", "survey.test (pid "+itoa(os.Getpid())+") must wait for it")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, Free([]int{pid, pid}), "pid "+itoa(pid)+" of the image is in use as the session of s") // sh or already sleep
	wantProblem(t, Free([]int{os.Getpid()}), "pid "+itoa(os.Getpid())+" of the image is in use by survey.test")
	lock(func() { // it may be on the main thread, but then that within is not
		inThread := func() {
			if tid := unix.Gettid(); tid != os.Getpid() {
				wantProblem(t, Free([]int{tid}), "in use by a thread of survey.test (pid "+itoa(os.Getpid())+")")
			}
		}
		inThread()
		lock(inThread)
	})
	if err := unix.Kill(-pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	now := func(name, text string, kind Kind) File {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return File{Path: path, Size: 5, Mode: unix.S_IFREG | 0o644, Kind: kind, FD: 3}
	}
	exe, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	lib := now("lib", string(exe), KindLib)
	lib.Size, lib.BuildID = int64(len(exe)), "0123456789abcdef"
	mode := now("mode", "12345", KindRegular)
	mode.Mode = unix.S_IFREG | 0o600
	gone := File{Path: filepath.Join(dir, "gone"), Kind: KindRegular, Mode: unix.S_IFREG | 0o644}
	folder := File{Path: dir, Kind: KindDirectory, Mode: unix.S_IFDIR | 0o755}
	if err := os.Mkdir(filepath.Join(dir, "narrow"), 0o700); err != nil {
		t.Fatal(err)
	}
	narrow := File{Path: filepath.Join(dir, "narrow"), Kind: KindDirectory, Mode: unix.S_IFDIR | 0o755}
	changed := File{Path: dir, Kind: KindRegular, Mode: unix.S_IFREG | 0o700}
	grown := now("grown", "1234567", KindRegular)
	grown.Flags = unix.O_WRONLY
	files := []File{
		now("same", "12345", KindRegular), now("log", "123456789", KindAppend), folder,
		{Path: filepath.Join(dir, "deleted"), Kind: KindDeleted},
		narrow, grown, grown, now("shrunk", "123", KindRegular), now("exe", "123", KindExe), lib, mode, gone, changed,
		{Path: filepath.Join(dir, "no", "deleted"), Kind: KindDeleted},
	}
	problems := CheckFiles(files, Past{When: "at the checkpoint"})
	want := []string{
		"/grown has 7 bytes, at the checkpoint it had 5: put back what was there; if the group has only written on, --cut-grown cuts it back",
		"/shrunk has 3 bytes, at the checkpoint it had 5: put back",
		"/exe has 3 bytes, at the checkpoint it had 5: install the same version",
		"/lib is another build (",
		"/mode has the mode 0644, at the checkpoint it had 0600: chmod 0600",
		"/narrow has the mode 0700, at the checkpoint it had 0755: chmod 0755 /",
		"/gone cannot be opened: no such file or directory",
		dir + " is another kind of file",
		"/no is not there or not writable (no such file or directory)",
	}
	if len(problems) != len(want) {
		t.Errorf("got %d problems, want %d:\n%s", len(problems), len(want), lines(problems))
	}
	for _, text := range want {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.String(), text) }) {
			t.Errorf("no problem with %q in\n%s", text, lines(problems))
		}
	}
}

// TestCheckFilesElsewhere is for files that were seen on another host.
func TestCheckFilesElsewhere(t *testing.T) {
	file := File{Path: filepath.Join(t.TempDir(), "gone"), Kind: KindRegular, Mode: unix.S_IFREG | 0o644}
	lib := file
	lib.Path, lib.Kind = "/bin/true", KindLib
	problems := CheckFiles([]File{file, lib, file}, Past{When: "there", Remedy: func(f File) string {
		if f.Kind == KindRegular {
			return "take it along"
		}
		return ""
	}})
	if len(problems) < 2 {
		t.Fatalf("got %v", problems)
	}
	wantProblem(t, problems[:1], "/gone cannot be opened: no such file or directory: take it along")
	wantProblem(t, problems[len(problems)-1:], " bytes, there it had 0: install the same version")
}

func TestBuildID(t *testing.T) {
	// What file(1) and readelf(1) show is the same, by a reader of its own.
	out, err := exec.Command("/bin/sh", "-c", "command -v readelf >/dev/null && readelf -n /bin/true | sed -n 's/.*Build ID: //p'").Output()
	id, elf := readBuildID("/bin/true")
	if want := strings.TrimSpace(string(out)); !elf || len(id) < 16 || err == nil && id != want {
		t.Errorf("got build id %q, %v, want %q", id, elf, want)
	}
	for _, text := range []string{"", "#!/bin/sh\n", "\x7fELF", "\x7fELF\x02" + strings.Repeat("\xff", 100)} {
		if id, _ := buildID(strings.NewReader(text)); id != "" {
			t.Errorf("got build id %q of %q", id, text)
		}
	}
}

func TestMissingCapabilities(t *testing.T) {
	all := ^uint64(0)
	problems, warnings := missing(all)
	wantNone(t, append(problems, warnings...))
	problems, warnings = missing(all &^ (1 << unix.CAP_SYS_ADMIN))
	wantProblem(t, problems, "CAP_SYS_ADMIN is missing", "run as root")
	wantNone(t, warnings)
	problems, warnings = missing(all &^ (1 << unix.CAP_SYS_RESOURCE))
	wantNone(t, problems)
	wantProblem(t, warnings, "CAP_SYS_RESOURCE is missing: resource limits")
	if problems, _ := Capabilities(); os.Geteuid() != 0 && len(problems) == 0 {
		t.Error("an ordinary user lacks nothing")
	}
}
