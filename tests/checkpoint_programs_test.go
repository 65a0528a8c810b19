package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A Redis server with data goes away and comes back. Clients keep their connections, and with them their subscription, their
// transaction and a benchmark.
func TestCheckpointRedis(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	spec := harness.Redis(t, l.B, harness.Rock)
	spec.Name = "redis"
	server := spec.Start(t)
	server.WaitOutput(t, "Ready to accept connections")
	cli := func(args ...string) harness.Spec {
		return harness.Spec{Host: l.A, Side: harness.Rock, Argv: append([]string{"redis-cli", "-h", l.B.Addr(1).String()}, args...)}
	}
	subscriber := cli("SUBSCRIBE", "news").Start(t)
	subscriber.WaitOutput(t, `subscribe\s+news`)
	client := cli().Start(t)
	say := func(line, want string) {
		t.Helper()
		fmt.Fprintln(client.Stdin, line)
		client.WaitOutput(t, want)
	}
	say("CLIENT SETNAME tester", "OK")
	say("SET before there", "OK\nOK")
	say("MULTI", "OK\nOK\nOK")
	say("SET key value", "QUEUED")
	bench := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{"redis-benchmark", "-h", l.B.Addr(1).String(),
		"-c", "20", "-n", "60000", "-t", "set,get", "--csv"}}.Start(t)
	bench.WaitOutput(t, `"test"`)

	server.Away(t, 0)
	say("EXEC", "QUEUED\nOK")
	say("GET before", "there")
	say("CLIENT GETNAME", "tester")
	say("PUBLISH news arrived", "\n1\n")
	subscriber.WaitOutput(t, "arrived")
	res := bench.Wait(t)
	if res.Code != 0 || !regexp.MustCompile(`"GET","\d+`).MatchString(res.Stdout) || strings.Contains(res.Stderr, "rror") {
		t.Errorf("redis-benchmark: status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	if got := cli("GET", "key").Output(t); got != "value\n" {
		t.Errorf("a new connection to the restored server got %q", got)
	}
	client.Stdin.Close()
	client.Wait(t)
}

// A download goes on where it was.
func TestCheckpointDownload(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	dir, want := site(t)
	harness.StartNginx(t, l.B, harness.Rock, dir)
	file := filepath.Join(dir, "got")
	loading := harness.Spec{Host: l.A, Side: harness.Rock, Name: "curl", Argv: []string{"curl", "-sSf", "--limit-rate", "20M",
		"-o", file, fmt.Sprintf("http://%s/large", harness.At(l.B, 1, 8080))}}.Start(t)
	harness.Until(t, "a part of the file", func() bool { return size(file) > 1_000_000 })
	loading = loading.Away(t, 0)
	if res := loading.Wait(t); res.Code != 0 {
		t.Fatalf("curl: exit status %d: %s", res.Code, res.Stderr)
	}
	if got := fileSHA(t, file); got != want {
		t.Errorf("got sum %s, want %s", got, want)
	}
}

// calculates adds numbers up, keeps a log of them, and writes the sum at the end.
const calculates = `
import sys, time
log, total = open(sys.argv[1], "a"), 0
for i in range(300):
    total += i * i
    print(i, total, file=log, flush=True)
    time.sleep(0.01)
open(sys.argv[2], "w").write(str(total))
`

// A calculation without a network goes on where it was, several times, with the file that it writes.
func TestCheckpointCalculation(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	dir := harness.TempDir(t)
	log, result := filepath.Join(dir, "log"), filepath.Join(dir, "result")
	p := harness.Spec{Host: l.A, Side: harness.Rock, Name: "sum", Argv: []string{harness.Python, "-c", calculates, log, result}}.Start(t)
	for _, bytes := range []int64{100, 500, 1000} {
		harness.Until(t, "some of the log", func() bool { return size(log) > bytes })
		p = p.Away(t, 0)
	}
	if res := p.Wait(t); res.Code != 0 {
		t.Fatalf("exit status %d: %s", res.Code, res.Stderr)
	}
	var want strings.Builder
	total := 0
	for i := range 300 {
		total += i * i
		fmt.Fprintln(&want, i, total)
	}
	for name, want := range map[string]string{log: want.String(), result: fmt.Sprint(total)} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has (%v):\n%s", name, err, got)
		}
	}
}
