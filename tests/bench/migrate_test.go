package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/ckpt/criu"
	"rock/tests/bench/board"
	"rock/tests/harness"
	"rock/tests/lab"
)

// The command line of scripts/bench migrate.
var (
	outDir     = flag.String("o", "", "`directory` for the results")
	memorySize = flag.String("memory", "16,64,256,512,1024", "MiB of `memory` of the group, a comma between numbers")
	roundCount = flag.Int("rounds", 5, "how many `rounds`")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m))
}

// BenchmarkMigrate measures for how long a group stands still that goes to another host, and how long CRIU's own commands
// take to bring the same program there. scripts/bench runs it, since it needs hosts; it measures once whatever b.N is.
func BenchmarkMigrate(b *testing.B) {
	tool, err := criu.Find(os.Getenv)
	if err != nil {
		b.Skip(err)
	}
	r := &migrations{conditions: newConditions(tool.Path, *roundCount)}
	for _, word := range strings.Split(*memorySize, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			b.Fatalf("-memory: %q is no number of MiB", word)
		}
		r.Sizes = append(r.Sizes, &size{Memory: n, Times: map[string][]float64{}})
	}
	for round := range r.Rounds {
		for _, z := range r.Sizes {
			halves := []struct {
				name string
				do   func(testing.TB, string, *size)
			}{{"criu", plainMove}, {"rock", ourMove}}
			if round%2 == 1 {
				halves[0], halves[1] = halves[1], halves[0]
			}
			for _, half := range halves {
				name := fmt.Sprintf("%dMB/round%d/%s", z.Memory, round+1, half.name)
				if !b.Run(name, func(b *testing.B) {
					half.do(b, tool.Path, z)
					b.ReportMetric(0, "ns/op") // what counts is in the results
				}) {
					b.FailNow()
				}
			}
		}
	}
	if *outDir == "" {
		*outDir = b.TempDir()
	}
	if err := r.publish(os.Stdout, *outDir); err != nil {
		b.Fatal(err)
	}
}

// stage is a lab with a program on B that holds memory and has a connection to its peer on A.
type stage struct {
	*lab.Lab
	job, peer *board.Board
	proc      *harness.Proc
	dir       string
}

const (
	movePort = 7000
	moveRate = 100_000 // bytes per second, each way
)

// setUp makes a lab and starts both programs, and returns when they have used their connection for a while.
func setUp(t testing.TB, side harness.Side, memory int, attr *unix.SysProcAttr) *stage {
	t.Helper()
	s := &stage{Lab: lab.New(t, lab.Apart), dir: harness.TempDir(t)}
	s.job, s.peer = newBoard(t, s.path("job")), newBoard(t, s.path("peer"))
	at := harness.At(s.A, 1, movePort).String()
	argv := func(who, how string) []string {
		return []string{harness.Program(t, "conns"), "-board", s.path(who), how, at, "-rate", strconv.Itoa(moveRate)}
	}
	harness.Spec{Host: s.A, Side: side, Argv: argv("peer", "-listen")}.Start(t)
	harness.Spec{Host: s.A, Argv: []string{"sh", "-c", fmt.Sprintf("until grep -q ':%04X 0* *' /proc/net/tcp; do sleep 0.01; done", movePort)}}.Output(t)
	spec := harness.Spec{Host: s.B, Side: side, Travels: true, Attr: attr, Dir: "/",
		Argv: append(argv("job", "-dial"), "-memory", strconv.Itoa(memory))}
	if side == harness.Rock {
		spec.Name = "job"
	}
	s.proc = spec.Start(t)
	harness.Until(t, "both ends have received something", func() bool {
		return s.job.Received() > 0 && s.peer.Received() > 0 && s.job.Tick.Load() > 0
	})
	time.Sleep(settle)
	warm(t, (memory+64)<<20)
	unix.Sync() // what others have written is not written at the cost of this
	s.job.Pause.Store(0)
	s.job.SetMark()
	return s
}

// copies is how often the memory of the program is somewhere at the most while it moves: in two processes, in the images of
// both hosts, and ahead of the image.
const copies = 5

// warm makes this machine, which may be a virtual one, get so much memory for each copy that it has been promised only, and gives it
// back to the kernel. Else who comes first pays for that, or who keeps the memory of both processes at once.
func warm(t testing.TB, size int) {
	t.Helper()
	b, err := unix.Mmap(-1, 0, copies*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err == nil {
		err = unix.Munmap(b)
	}
	if err != nil {
		t.Fatalf("warm %d MiB of memory: %v", copies*size>>20, err)
	}
}

func (s *stage) path(who string) string { return filepath.Join(s.dir, who+".board") }

func newBoard(t testing.TB, path string) *board.Board {
	t.Helper()
	b, err := board.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// pause waits until the program runs on the other host, and returns for how long it did not.
func (s *stage) pause(t testing.TB) time.Duration {
	t.Helper()
	was := time.Now().UnixNano()
	harness.Until(t, "the program runs", func() bool { return s.job.Tick.Load() > was })
	return time.Duration(s.job.Pause.Load())
}

// whole fails t if the program's memory is not what it was.
func (s *stage) whole(t testing.TB) {
	t.Helper()
	s.job.Look.Store(board.Asked)
	harness.Until(t, "the program has looked at its memory", func() bool { return s.job.Look.Load() > board.Looking })
	if s.job.Look.Load() != board.Whole {
		t.Fatal("the memory of the program has changed")
	}
}
