// Bench measures what rock costs; scripts/bench builds it, gives it a network of its own and runs it.
//
//	bench checkpoint -bin DIR [-o DIR] [-rocks 0,1,10,100] [-rounds N]
//
// checkpoint: how long a group stands still for a checkpoint and a restore, compared with CRIU alone. In each
// round a process with so many connections is dumped and restored by the criu command (plain.go), and another
// one like it by rock (ours.go), so that what else the machine does is in both. In DIR appear bench.json, with
// every single time, and bench.svg and bench.png.
//
// The exit status is 1 if something failed, as connections that bring what was not sent, never because something
// was slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"rock/tests/bench/board"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	bin, out string
	rocks    []int
	rounds   int
}

func parse(args []string) (s settings, err error) {
	if len(args) == 0 || args[0] != "checkpoint" {
		return s, errors.New("what to measure? There is: checkpoint")
	}
	f := flag.NewFlagSet("bench checkpoint", flag.ExitOnError)
	rocks := f.String("rocks", "0,1,10,100", "how many connections, a comma between `numbers`")
	f.IntVar(&s.rounds, "rounds", 10, "how many `rounds`")
	f.StringVar(&s.out, "o", "bench-results", "`directory` for the results")
	f.StringVar(&s.bin, "bin", "bin", "`directory` of rock, rockctl and conns")
	_ = f.Parse(args[1:]) // ends the program
	if f.NArg() > 0 || s.rounds < 1 {
		return s, errors.New("see bench checkpoint -help")
	}
	for _, word := range strings.Split(*rocks, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n > board.Max {
			return s, fmt.Errorf("-rocks: %q is no number from 0 to %d", word, board.Max)
		}
		s.rocks = append(s.rocks, n)
	}
	return s, nil
}

func run(args []string) (err error) {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	w, err := newWorld(s.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := newResults(w.criu.Path, s)
	err = measure(ctx, w, s, r)
	if ctx.Err() != nil {
		return errors.New("interrupted: there are no results")
	}
	if err != nil {
		return err
	}
	return r.publish(os.Stdout, s.out)
}

// measure does all rounds.
func measure(ctx context.Context, w *world, s settings, r *results) error {
	for round := range s.rounds {
		fmt.Fprintf(os.Stderr, "\rround %d of %d ", round+1, s.rounds)
		for _, sc := range r.Scenarios {
			halves := []func(context.Context, *world, *scenario) error{plain, ours}
			if round%2 == 1 {
				halves[0], halves[1] = halves[1], halves[0]
			}
			for _, half := range halves {
				if err := half(ctx, w, sc); err != nil {
					return fmt.Errorf("round %d, %s: %w", round+1, sc.name(), err)
				}
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	return nil
}
