package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rock/rocks/rendezvous"
	"rock/rocks/wire"
)

// rockd is the program, built once.
var rockd string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rockd-test-")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(dir)
	rockd = filepath.Join(dir, "rockd")
	if out, err := exec.Command("go", "build", "-o", rockd, ".").CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return 1
	}
	return m.Run()
}

// start starts rockd serve, with a socket as systemd would give it one, and returns where it listens. When the test ends it must
// end well when it is told to.
func start(t *testing.T, socket bool, args ...string) (address string) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `[ -z "$LISTEN_FDS" ] || export LISTEN_PID=$$; exec "$@"`, "sh", rockd, "serve"}, args...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=", "LISTEN_PID=")
	if socket {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(log)
	listening := regexp.MustCompile(`msg=listening address=(\S+)`)
	for address == "" && said.Scan() {
		if m := listening.FindStringSubmatch(said.Text()); m != nil {
			address = m[1]
		}
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, log)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if address == "" {
		t.Fatal("it does not listen")
	}
	return address
}

func exchange(t *testing.T, address string, leave byte, seek byte) []rendezvous.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	mine, other := rendezvous.NewIdentity([32]byte{leave}), rendezvous.NewIdentity([32]byte{seek})
	found, err := rendezvous.NewClient([]string{address}).Exchange(ctx,
		[]rendezvous.Record{mine.Record(uint64(time.Now().UnixNano()), time.Minute, wire.Addresses{})}, []rendezvous.Name{other.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What was left is there after a restart. The port is systemd's, and metrics are served.
func TestServe(t *testing.T) {
	store := filepath.Join(t.TempDir(), "words")
	t.Run("first", func(t *testing.T) {
		exchange(t, start(t, false, "--listen", "127.0.0.1:0", "--store", store), 1, 2)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	metrics := l.Addr().String()
	if found := exchange(t, start(t, true, "--listen", "127.0.0.1:1", "--store", store, "--metrics", metrics), 2, 1); len(found) != 1 {
		t.Errorf("found %d, want what was left before", len(found))
	}
	r, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	for _, want := range []string{"rockd_words_left_total 1\n", "rockd_words_found_total 1\n", "rockd_connections_total 1\n", "rockd_relay_pairs 0\n"} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("the metrics are %s (%v), want %s", text, err, want)
		}
	}
}

func TestServeRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct{ args, want string }{
		{"--listen " + taken.Addr().String() + " --store memory", "rockd: --listen: .*address already in use"},
		{"--store /dev/null/words", "rockd: --store: open /dev/null/words: .*not a directory"},
		{"--store words --etcd 127.0.0.1:1", "rockd: --store and --etcd: one of them"},
		{"--pairs 0", "rockd: --pairs 0: one at least, or --no-relay"},
		{"--names 0", "rockd: --names 0: one at least"},
		{"--store memory --metrics nowhere:x", "rockd: --metrics: "},
		{"--listen x:y:z --store memory", "rockd: --listen: "},
		{"somewhere", "rockd: unknown command \"somewhere\""},
	} {
		out, err := exec.Command(rockd, append([]string{"serve"}, strings.Fields(tt.args)...)...).CombinedOutput()
		if err == nil || !regexp.MustCompile(`(?m)^`+tt.want).Match(out) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v, %s, want %s", tt.args, err, out, tt.want)
		}
	}
}

func TestDefaultStore(t *testing.T) {
	env := map[string]string{"STATE_DIRECTORY": "/var/lib/private/rockd", "HOME": "/home/me"}
	if got, err := defaultStore(func(k string) string { return env[k] }); got != "/var/lib/private/rockd/words" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}
