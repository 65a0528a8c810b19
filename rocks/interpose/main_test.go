package interpose

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/interpose/seccomp"
)

// The test binary is also the program under test: started again with this
// variable it runs one of the programs, which know nothing of rocks.
const programVariable = "ROCK_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(programVariable); name != "" {
		program, ok := programs[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "no test program %q\n", name)
			os.Exit(2)
		}
		if err := program(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// group is a supervised command of a test.
type group struct {
	t        *testing.T
	ip       *Interposer
	endpoint *rocks.Endpoint
	process  *os.Process
	out      *os.File
	log      *syncBuffer
	stdin    *os.File
	ended    chan *os.ProcessState
}

// supervise starts a test program under an interposer of its own. Standard
// input and output are pipes: the test talks to the program through them.
func supervise(t *testing.T, program string, args ...string) *group {
	t.Helper()
	return superviseWith(t, Config{}, program, args...)
}

func superviseWith(t *testing.T, cfg Config, program string, args ...string) *group {
	t.Helper()
	g := &group{t: t, log: &syncBuffer{}, ended: make(chan *os.ProcessState, 1)}
	cfg.Logger = slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	endpoint, err := rocks.NewEndpoint(rocks.Config{Network: rocks.System(), Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	g.endpoint, cfg.Endpoint = endpoint, endpoint
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.ip, g.process, err = Start(cfg, seccomp.Process{
		Path: "/proc/self/exe", Args: append([]string{program}, args...),
		Env:   programEnv(program),
		Files: []*os.File{inR, outW, os.Stderr},
	})
	if err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	inR.Close()
	outW.Close()
	g.stdin, g.out = inW, outR
	go func() {
		state, _ := g.process.Wait()
		g.ended <- state
	}()
	t.Cleanup(g.cleanup)
	return g
}

// programEnv makes the test binary run a program. The race detector would wait
// a second at the end of each.
func programEnv(program string) []string {
	return append(os.Environ(), programVariable+"="+program, "GORACE=atexit_sleep_ms=0")
}

func (g *group) cleanup() {
	_ = g.process.Kill()
	<-g.ip.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := g.ip.Close(ctx); err != nil {
		g.t.Errorf("close interposer: %v", err)
	}
	if err := g.endpoint.Close(); err != nil {
		g.t.Errorf("close endpoint: %v", err)
	}
	g.stdin.Close()
	g.out.Close()
	if g.t.Failed() {
		g.t.Logf("log of the supervisor:\n%s", g.log)
	}
}

// line reads the next line that the program prints.
func (g *group) line() string {
	g.t.Helper()
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := g.out.Read(b)
		if n == 0 || err != nil {
			g.t.Fatalf("program ended after %q: %v", line, err)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

// expect fails the test unless the next line is want.
func (g *group) expect(want string) {
	g.t.Helper()
	if got := g.line(); got != want {
		g.t.Fatalf("program says %q, want %q", got, want)
	}
}

// say writes a line to the program.
func (g *group) say(format string, args ...any) {
	g.t.Helper()
	if _, err := fmt.Fprintf(g.stdin, format+"\n", args...); err != nil {
		g.t.Fatal(err)
	}
}

// success waits for the program's end and wants status 0.
func (g *group) success() {
	g.t.Helper()
	state := <-g.ended
	if !state.Success() {
		g.t.Fatalf("program ended with %v", state)
	}
}

// plainly runs a test program without any interposition and returns what it
// prints: what every supervised run is compared with.
func plainly(t *testing.T, program string, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := os.StartProcess("/proc/self/exe", append([]string{program}, args...), &os.ProcAttr{
		Env:   programEnv(program),
		Files: []*os.File{os.Stdin, w, os.Stderr},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Fatalf("plain %s: %v, %v", program, state, err)
	}
	return out.String()
}

// all reads everything that the program prints until it ends.
func (g *group) all() string {
	var out strings.Builder
	b := make([]byte, 4096)
	for {
		n, err := g.out.Read(b)
		out.Write(b[:n])
		if err != nil {
			return out.String()
		}
	}
}
