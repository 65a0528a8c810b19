// Ring computes a number together with others of its kind, as the ranks of an MPI job do. It is a program for the tests:
// it knows nothing of rocks.
//
//	ring -rank I -rounds R [-rate N] [-until FILE] ADDRESS...
//	ring -reference N R
//
// There are as many ranks as addresses; rank I listens on the port of the I-th, on every address of its host, and all are
// connected to all. In each round every rank sends a block to every other, and then all agree on a value that every byte
// of all blocks has a part in. The blocks of a round are made from the value of the one before. Rounds are begun N times
// a second at most, and the last of them not before there is FILE. A rank prints "round K VALUE" now and then, and "final
// VALUE" at the end. The exit status is 0 if it got there.
//
// With -reference the final value of N ranks after R rounds is computed by one process alone.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	rank := flag.Int("rank", 0, "which of the addresses is this process's")
	rounds := flag.Int("rounds", 100, "how many rounds there are")
	rate := flag.Float64("rate", 50, "rounds per second at most")
	until := flag.String("until", "", "wait for a `file` before the last rounds")
	reference := flag.Bool("reference", false, "compute it alone: N R are the arguments")
	flag.Parse()
	value, err := uint64(0), error(nil)
	switch {
	case *reference && flag.NArg() == 2:
		value, err = alone(flag.Arg(0), flag.Arg(1))
	case *reference || *rank < 0 || *rank >= flag.NArg() || *rate <= 0:
		flag.Usage()
		os.Exit(2)
	default:
		value, err = together(*rank, flag.Args(), *rounds, time.Duration(float64(time.Second) / *rate), *until)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ring:", err)
		os.Exit(1)
	}
	fmt.Printf("final %016x\n", value)
}

// alone is the reference.
func alone(ranks, rounds string) (uint64, error) {
	n, err := strconv.Atoi(ranks)
	if err != nil {
		return 0, err
	}
	r, err := strconv.Atoi(rounds)
	if err != nil {
		return 0, err
	}
	return reference(n, r), nil
}

// lastRounds are those before which it may have to wait.
const lastRounds = 20

// together is the work of one rank.
func together(rank int, addresses []string, rounds int, every time.Duration, until string) (uint64, error) {
	peers, err := connect(rank, addresses)
	if err != nil {
		return 0, err
	}
	value := uint64(0)
	for round := range rounds {
		if until != "" && round == rounds-lastRounds {
			await(until)
		}
		began := time.Now()
		if value, err = peers.round(rank, round, value); err != nil {
			return 0, fmt.Errorf("rank %d, round %d: %w", rank, round, err)
		}
		if round%5 == 0 {
			fmt.Printf("round %d %016x\n", round, value)
		}
		time.Sleep(every - time.Since(began))
	}
	return value, nil
}

// await waits until there is a file.
func await(name string) {
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
