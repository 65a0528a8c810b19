package migrate

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt"
	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/files"
	"rock/migrate/stream"
	"rock/rocks/group"
)

// arrived puts a file in its place for the migration in the directory place, as the target does. Both ends see the
// same files, so it replaces what is read. It returns the path, and the number of the inode that was there.
func arrived(t *testing.T, place string) (path string, inode uint64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	inode = inodeOf(t, path)
	r, err := files.NewReceiver(thisTree, place, aToken)
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	took := make(chan error, 1)
	go func() {
		c := stream.New(there, there)
		err := c.Hello()
		for err == nil {
			f, ended := c.Receive()
			if ended != nil {
				break
			}
			_, err = r.Take(f)
		}
		took <- err
	}()
	c := stream.New(here, here)
	if err := c.Hello(); err != nil {
		t.Fatal(err)
	}
	s, m := files.NewSender(c, files.Choice{Paths: []string{path}}), &image.Manifest{}
	if _, problems := s.Look(m); len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := s.Finish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	here.Close()
	if err := <-took; err != nil {
		t.Fatal(err)
	}
	if err := r.Place(); err != nil {
		t.Fatal(err)
	}
	if inodeOf(t, path) == inode {
		t.Fatal("the file was not replaced")
	}
	return path, inode
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// TestResolveFiles settles the files of a target that has died, when the source asks and when another migration comes.
func TestResolveFiles(t *testing.T) {
	for _, tt := range []struct {
		states []string
		back   bool // what was there is put back
	}{
		{nil, true}, // it was on its way
		{[]string{stateCommitted}, true},
		{[]string{stateNever}, true},
		{[]string{stateCommitted, stateRuns}, false},
	} {
		for _, way := range []string{"asked", "swept"} {
			t.Run(strings.Join(append(tt.states, way), " "), func(t *testing.T) {
				j, getenv, place := begun(t, tt.states...)
				path, inode := arrived(t, place)
				if way == "swept" { // while it has a part in it, nobody does anything
					sweep(StagingDir(getenv), "00c0ffee")
					if inodeOf(t, path) == inode {
						t.Fatal("put back under somebody's hands")
					}
				}
				j.close()
				if way == "asked" {
					want := group.AnswerNever
					if !tt.back {
						want = group.AnswerRuns
					}
					if got, err := Resolve(t.Context(), aToken, getenv); err != nil || got != want {
						t.Errorf("got %q, %v, want %q", got, err, want)
					}
				} else {
					sweep(StagingDir(getenv), "00c0ffee")
				}
				if is := inodeOf(t, path) == inode; is != tt.back {
					t.Errorf("what was there is back: %v, want %v", is, tt.back)
				}
				left, _ := os.ReadDir(filepath.Dir(path))
				if len(left) != 1 {
					t.Errorf("there is %v", left)
				}
				if _, err := os.Stat(filepath.Join(place, files.LedgerFile)); err == nil {
					t.Error("the list is still there")
				}
			})
		}
	}
}

// TestVerdict asks a target for all that is in the way of a group at once.
func TestVerdict(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := func(name string, kind survey.Kind, mode uint32) image.File {
		return image.File{Path: filepath.Join(dir, name), Kind: string(kind), Mode: mode, Size: 5, FD: 3}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	host := image.Host{Arch: unix.ByteSliceToString(u.Machine[:]), Features: []string{"avx9"}}
	m := image.Manifest{Host: host, Group: image.Group{ID: "00c0ffee"}, Processes: []image.Process{{PID: os.Getpid(), PGID: os.Getpid(), SID: os.Getpid()}},
		Listeners: []image.Listener{{Address: taken.Addr().String()}, {Address: "192.0.2.1:80"}},
		Files: []image.File{
			file("program", survey.KindExe, unix.S_IFREG|0o755), file("library", survey.KindLib, unix.S_IFREG|0o644),
			file("work", survey.KindDirectory, unix.S_IFDIR|0o755), file("work/input", survey.KindRegular, unix.S_IFREG|0o644),
			file("work/log", survey.KindAppend, unix.S_IFREG|0o644),
		}}
	missing := func(name string) string {
		return filepath.Join(dir, name) + " cannot be opened: no such file or directory"
	}
	always := []string{
		"pid " + strconv.Itoa(os.Getpid()) + " of the image is in use by", "which is taken here: end what listens there", "this host does not have the address 192.0.2.1: start the server",
		"lacks instructions that the group may use", missing("program") + ": put back", missing("library") + ": put back",
	}
	remedy := ": bring it there, or use --copy-files"
	for _, tt := range []struct {
		name  string
		files *files.Bundle
		want  []string
	}{
		{"without files", nil, []string{missing("work") + remedy, missing("work/input") + remedy, missing("work/log") + remedy}},
		{"with files", &files.Bundle{Folders: []files.Folder{{Path: dir}, {Path: dir + "/work"}},
			Items: []files.Item{{Path: dir + "/work/input", Size: 5}, {Path: dir + "/work/log", Size: 5}}}, nil},
		{"with too much", &files.Bundle{Folders: []files.Folder{{Path: dir}, {Path: dir + "/work"}},
			Items: []files.Item{{Path: dir + "/work/input", Size: 1 << 60}, {Path: dir + "/work/log", Size: 5}}}, []string{"make room there"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := askTarget(t, offer{Token: aToken, Manifest: m, DryRun: true, Clock: time.Now().Add(-time.Hour), Files: tt.files})
			if len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "the clocks differ by 1h0m0s") {
				t.Errorf("got warnings %q", v.Warnings)
			}
			var got []string
			for _, p := range v.Problems {
				if !strings.Contains(p.What, "CAP_") && !strings.Contains(p.What, "criu") { // of this host
					got = append(got, p.String())
				}
			}
			want := append(slices.Clone(always), tt.want...)
			for _, text := range want {
				if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, text) }) {
					t.Errorf("no problem with %q", text)
				}
			}
			if len(got) != len(want) || t.Failed() {
				t.Errorf("got %d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
			}
		})
	}
}

// askTarget makes an offer to a target in a dry run, and returns what it says.
func askTarget(t *testing.T, o offer) verdict {
	t.Helper()
	runtime, staging := t.TempDir(), t.TempDir()
	if err := os.Chmod(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	r := Receiver{Engine: Engine{ckpt.Engine{Getenv: func(name string) string {
		return map[string]string{"ROCK_RUNTIME_DIR": runtime, "TMPDIR": staging}[name]
	}}}}
	here, there := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background(), there) }()
	c := stream.New(here, here)
	if err := c.Hello(); err != nil {
		t.Fatal(err)
	}
	l := newLine(c, func(error) {})
	if err := c.Send(kindOffer, o); err != nil {
		t.Fatal(err)
	}
	var v verdict
	if err := l.expect(t.Context(), kindVerdict, &v, nil); err != nil {
		t.Fatal(err)
	}
	here.Close()
	l.wait()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, _ := os.ReadDir(staging); len(left) > 0 {
		t.Errorf("a dry run has left %v", left)
	}
	return v
}
