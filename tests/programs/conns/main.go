// Conns holds many TCP connections, and memory. It is a program for the benchmark, and knows nothing of rocks.
//
//	conns -board FILE [-listen ADDR | -dial ADDR] [-conns N] [-rate BYTES/S] [-memory MIB]
//
// Both ends send the numbers 0, 1, 2, ... in 8 bytes each on every connection, and check those that come. With a
// rate, which is for all connections together, they do so all the time, and read as fast as the other
// end writes but a little later, so that there is always something under way. Without one they are silent,
// until the benchmark sets a mark on the board: then one number is sent on each connection.
//
// Every millisecond it notes on the board that it runs, and for how long it did not. It never ends, also if its connections do.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"rock/tests/bench/board"
)

func main() {
	path := flag.String("board", "", "`FILE` with the board")
	listen := flag.String("listen", "", "accept connections on this `address`")
	dial := flag.String("dial", "", "connect to this `address`")
	n := flag.Int("conns", 1, "how many connections")
	rate := flag.Int("rate", 0, "bytes per second, over all connections")
	size := flag.Int("memory", 0, "fill so many `MiB`")
	flag.Parse()
	fmt.Fprintln(os.Stderr, "conns:", run(*path, *listen, *dial, *n, *rate, *size))
	os.Exit(1)
}

// run returns only if something fails.
func run(path, listen, dial string, n, rate, size int) error {
	b, err := board.Open(path)
	if err != nil {
		return err
	}
	m, err := newMemory(size)
	if err != nil {
		return err
	}
	go m.serve(b)
	var l net.Listener
	if listen != "" {
		if l, err = net.Listen("tcp", listen); err != nil {
			return err
		}
	}
	if listen == "" && dial == "" {
		n = 0
	}
	chunk := 0
	if n > 0 {
		chunk = max(8, rate*int(pace)/int(time.Second)/n&^7)
	}
	var silent []*conn
	for i := range n {
		var nc net.Conn
		if l != nil {
			nc, err = l.Accept()
		} else {
			nc, err = net.Dial("tcp", dial)
		}
		if err != nil {
			return err
		}
		c := &conn{Conn: nc, board: b, place: &b.Conns[i], chunk: chunk}
		if rate > 0 {
			go c.send()
		} else {
			silent = append(silent, c)
		}
		go c.receive(rate > 0)
		b.Connected.Add(1)
	}
	return beat(b, silent)
}

// beat notes that the program runs, and has the silent connections speak when there is a new mark.
func beat(b *board.Board, silent []*conn) error {
	for seen := b.Mark.Load(); ; time.Sleep(time.Millisecond) {
		now := time.Now().UnixNano()
		if last := b.Tick.Swap(now); last != 0 && now-last > b.Pause.Load() {
			b.Pause.Store(now - last)
		}
		if mark := b.Mark.Load(); mark != seen {
			seen = mark
			b.First(&b.Ran)
			for _, c := range silent {
				c.write(8)
			}
		}
	}
}
