package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// redisLoad are clients of a Redis server, all under rock: one counts, one writes as fast as it can, one is in the middle of a
// transaction, and one is asked.
type redisLoad struct {
	count, bench, change, asked *harness.Proc
	questions                   int
}

// startRedisLoad fills a server with data and starts the clients. digest is that of the data before them.
func startRedisLoad(t *testing.T, from, server *lab.Host) (l *redisLoad, digest string) {
	t.Helper()
	start := func(program string, args ...string) *harness.Proc {
		return harness.Spec{Host: from, Side: harness.Rock,
			Argv: append([]string{program, "-h", server.Addr(1).String()}, args...)}.Start(t)
	}
	l = &redisLoad{asked: start("redis-cli")}
	if got := l.ask(t, "DEBUG POPULATE 210000 filled 1000"); got != "OK" {
		t.Fatalf("DEBUG POPULATE: %q", got)
	}
	digest = l.ask(t, "DEBUG DIGEST")
	l.count = start("redis-cli", "-r", "-1", "-i", "0.002", "INCR", "counter")
	l.bench = start("redis-benchmark", "-c", "8", "-n", "1000000000", "-d", "100", "-t", "set")
	l.change = start("redis-cli")
	fmt.Fprint(l.change.Stdin, "CLIENT SETNAME tester\nMULTI\nSET changed once\n")
	l.change.WaitOutput(t, "OK\nOK\nQUEUED\n")
	l.flows(t)
	return l, digest
}

// ask asks the server something and returns the answer.
func (l *redisLoad) ask(t *testing.T, question string) string {
	t.Helper()
	l.questions++
	n := l.questions
	fmt.Fprintf(l.asked.Stdin, "ECHO question-%d\n%s\nECHO answer-%d\n", n, question, n)
	return strings.TrimSpace(l.asked.WaitOutput(t, fmt.Sprintf(`(?s)question-%d\n(.*)answer-%d\n`, n, n))[1])
}

var setCalls = regexp.MustCompile(`cmdstat_set:calls=(\d+)`)

// flows waits until those that do it all the time have been answered.
func (l *redisLoad) flows(t *testing.T) {
	t.Helper()
	counted := len(l.count.Stdout())
	calls := func() int {
		m := setCalls.FindStringSubmatch(l.ask(t, "INFO commandstats"))
		if m == nil {
			return 0
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	first := calls()
	harness.Until(t, "more done for the clients of Redis", func() bool {
		return len(l.count.Stdout()) > counted && calls() > first
	})
}

// finish ends those that do it all the time and checks that none has met an error and that nothing was counted twice or not at all.
func (l *redisLoad) finish(t *testing.T) {
	t.Helper()
	for _, p := range []*harness.Proc{l.count, l.bench} {
		select {
		case <-p.Ended():
			t.Error("a client of Redis has ended")
		default:
		}
		if res := p.Stop(t); res.Stderr != "" || strings.Contains(res.Stdout, "rror") {
			t.Errorf("a client of Redis has met an error: %s%s", res.Stdout[max(0, len(res.Stdout)-1000):], res.Stderr)
		}
	}
	last := 0
	for line := range strings.Lines(l.count.Stdout()) {
		if last++; line != strconv.Itoa(last)+"\n" {
			t.Fatalf("counted %q, want %d", line, last)
		}
	}
	t.Logf("counted to %d", last)
}

// A Redis server with more than 200 MB of data moves to another host, under load, and back. Its clients see nothing of it, and
// the data are the same as before.
func TestMigrateRedis(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	spec := harness.Redis(t, l.B, harness.Rock)
	spec.Name, spec.Travels = "redis", true
	server := spec.Start(t)
	server.WaitOutput(t, "Ready to accept connections")
	load, digest := startRedisLoad(t, l.A, l.B)
	if r := server.Move(t, l.C); r.Bytes < 200_000_000 {
		t.Errorf("%d bytes were moved, want more than there are data", r.Bytes)
	}
	load.flows(t)
	// Who looks for the server on its new host finds it there.
	here := harness.Spec{Host: l.B, Argv: []string{"redis-cli", "-h", l.C.Addr(1).String(), "DBSIZE"}}
	if got := here.Output(t); got != "210002\n" {
		t.Errorf("on C the server has %q keys", got)
	}
	server.Move(t, l.B)
	load.flows(t)
	fmt.Fprint(load.change.Stdin, "EXEC\nCLIENT GETNAME\nGET changed\n")
	load.change.WaitOutput(t, "QUEUED\nOK\ntester\nonce\n")
	load.finish(t)
	if got := load.ask(t, "DEL counter changed key:__rand_int__"); got != "3" {
		t.Errorf("the clients have left %s keys, want 3", got)
	}
	if got := load.ask(t, "DEBUG DIGEST"); got != digest {
		t.Errorf("the data have the digest %s, it was %s", got, digest)
	}
}

// A web server moves to another host and back while files are loaded from it.
func TestMigrateHTTP(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	for _, tt := range []struct {
		name   string
		server func(t *testing.T, h *lab.Host, dir string) harness.Spec
	}{
		{"nginx", func(t *testing.T, h *lab.Host, dir string) harness.Spec {
			return harness.Nginx(t, h, harness.Rock, dir)
		}},
		{"python", func(_ *testing.T, h *lab.Host, dir string) harness.Spec {
			return harness.PythonHTTP(h, harness.Rock, dir)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := lab.New(t, lab.Apart)
			dir, want := site(t)
			spec := tt.server(t, l.B, dir)
			spec.Name, spec.Travels = "web", true
			server := spec.Start(t)
			harness.WaitListening(t, l.B, 8080)
			var loading []*harness.Proc
			file := func(i int) string { return filepath.Join(dir, fmt.Sprintf("got%d", i)) }
			for i := range 3 {
				loading = append(loading, load(t, l, file(i), i+1))
			}
			flows := func() {
				t.Helper()
				for i := range loading {
					before := size(file(i))
					harness.Until(t, "more of a file, or all", func() bool {
						now := size(file(i))
						return now > before || now == size(filepath.Join(dir, "large"))
					})
				}
			}
			server.Move(t, l.C)
			flows()
			url := fmt.Sprintf("http://%s/small", harness.At(l.C, 1, 8080))
			if got := (harness.Spec{Host: l.B, Argv: []string{"curl", "-sSf", url}}).Output(t); got != "a small file\n" {
				t.Errorf("on C the server sends %q", got)
			}
			server.Move(t, l.B)
			for i, p := range loading {
				if res := p.Wait(t); res.Code != 0 {
					t.Errorf("curl: exit status %d: %s", res.Code, res.Stderr)
				}
				if got := fileSHA(t, file(i)); got != want {
					t.Errorf("got sum %s, want %s", got, want)
				}
			}
		})
	}
}

// load begins to load a file from B to A, over the rock that makes it so many on A.
func load(t *testing.T, l *lab.Lab, file string, rocks int) *harness.Proc {
	t.Helper()
	for range 5 {
		p := harness.Spec{Host: l.A, Side: harness.Rock, Argv: []string{"curl", "-sSf", "--limit-rate", "1M", "-o", file,
			fmt.Sprintf("http://%s/large", harness.At(l.B, 1, 8080))}}.Start(t)
		harness.Until(t, "the beginning of a file", func() bool { return size(file) > 0 })
		if len(conns(t, l.A)) == rocks {
			return p
		}
		t.Log("the machine is so busy that the server was taken for one without rocks")
		p.Stop(t)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no rock for a file")
	return nil
}
