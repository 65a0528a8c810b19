package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// site is a directory with a small and a large file; it returns the sum of the large.
func site(t *testing.T) (dir, sum string) {
	t.Helper()
	dir = harness.TempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "small"), []byte("a small file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, randomFile(t, filepath.Join(dir, "large"), 40_000_000)
}

func TestHTTPNginx(t *testing.T) {
	t.Parallel()
	testHTTP(t, func(t *testing.T, h *lab.Host, s harness.Side, dir string) { harness.StartNginx(t, h, s, dir) })
}

func TestHTTPPython(t *testing.T) {
	t.Parallel()
	testHTTP(t, func(t *testing.T, h *lab.Host, s harness.Side, dir string) {
		harness.StartPythonHTTP(t, h, s, "", dir)
	})
}

func testHTTP(t *testing.T, start func(t *testing.T, h *lab.Host, s harness.Side, dir string)) {
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		dir, want := site(t)
		start(t, l.B, s, dir)
		url := fmt.Sprintf("http://%s/", harness.At(l.B, 1, 8080))
		curl := func(args ...string) harness.Spec {
			return harness.Spec{Host: l.A, Side: s, Argv: append([]string{"curl", "-sSf"}, args...)}
		}

		// Several requests over one connection, IPv4 and IPv6, and an error.
		if got := curl(url+"small", url+"small").Output(t); got != "a small file\na small file\n" {
			t.Errorf("got %q", got)
		}
		if got := curl(fmt.Sprintf("http://[%s]:8080/small", l.B.Addr6(1))).Output(t); got != "a small file\n" {
			t.Errorf("over IPv6 got %q", got)
		}
		if res := curl(url + "missing").Run(t); res.Code != 22 || !strings.Contains(res.Stderr, "404") {
			t.Errorf("missing file: status %d, %q", res.Code, res.Stderr)
		}

		// A large file, slowly, with another address in the middle of it.
		file := filepath.Join(dir, "got")
		loading := curl("--limit-rate", "20M", "-o", file, url+"large").Start(t)
		harness.Until(t, "a part of the file", func() bool { return size(file) > 1_000_000 })
		cutUnderRock(l, s)
		if res := loading.Wait(t); res.Code != 0 {
			t.Fatalf("curl: exit status %d: %s", res.Code, res.Stderr)
		}
		if got := fileSHA(t, file); got != want {
			t.Errorf("got sum %s, want %s", got, want)
		}
	})
}
