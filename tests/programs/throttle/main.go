// Throttle runs a command whose standard input gets what comes on its own, but only so fast: a slow link.
//
//	throttle MEGABYTES-PER-SECOND COMMAND...
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "throttle:", err)
		os.Exit(1)
	}
}

func run() error {
	rate, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer in.Close()
		pass(in, os.Stdin, rate*1e6)
	}()
	return cmd.Wait()
}

// burst is how many seconds worth of data a link that was idle lets through at once.
const burst = 0.01

// pass copies so many bytes per second, until either end is closed.
func pass(w io.Writer, r io.Reader, rate float64) {
	b := make([]byte, 64<<10)
	free := time.Now() // when the link is
	for {
		n, err := r.Read(b)
		if _, failed := w.Write(b[:n]); failed != nil || err != nil {
			return
		}
		if early := time.Now().Add(-time.Duration(burst * 1e9)); free.Before(early) {
			free = early
		}
		free = free.Add(time.Duration(float64(n) / rate * 1e9))
		time.Sleep(time.Until(free))
	}
}
