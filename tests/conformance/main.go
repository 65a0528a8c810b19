// Conformance runs test suites that nobody here wrote, first as they are and then under rock, and compares: what passes without
// rock and not with it is a defect of ours. scripts/conformance builds it, gives it a network of its own and runs it.
//
//	conformance -bin DIR [-short] [-only REGEXP] [-v]
//
// Most suites are one process that is client and server to itself, or starts both, so all its connections are rocks, and those to
// and from what rock leaves alone are ordinary. Those in pairs are clients and servers, and run with one of them under rock, the other, and both.
// Each run has a network and processes of its own, of which nothing is left when it ends. What differs is run again, alone: only what differs each time counts. The exit status is 1
// if something does that is not among the known differences.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of rock")
	short := flag.Bool("short", false, "the short suites only")
	only := flag.String("only", "", "`regexp` of the suites to run")
	verbose := flag.Bool("v", false, "show what the suites print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if err := run(ctx, *bin, *only, *short, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, only string, short, verbose bool) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	rock, err := filepath.Abs(filepath.Join(bin, "rock"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rock-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &runner{rock: rock, dir: dir, verbose: verbose}
	t := &table{}
	for _, s := range suites() {
		if !wanted.MatchString(s.name) || short && !s.short {
			continue
		}
		lines, err := compare(ctx, r, s)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, l := range lines {
			t.add(os.Stdout, l)
		}
	}
	return t.end(os.Stdout)
}
