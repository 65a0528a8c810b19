// Crowd has many TCP connections at once. For the benchmark.
//
//	crowd -listen ADDRESS [-n CONNECTIONS]
//	crowd -dial ADDRESS -n CONNECTIONS [-bytes TOTAL]
//
// The listening end takes what comes, and closes each connection behind the other end's last byte. The other end
// makes all connections and prints "connected SECONDS". With -bytes it then sends so many in all, the same over each, and prints
// "moved SECONDS" when the listening end has closed all of them. Else nothing moves until the end of its standard input.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

var (
	listen = flag.String("listen", "", "`address` to listen on")
	dial   = flag.String("dial", "", "`address` to connect to")
	count  = flag.Int("n", 1, "how many `connections` there are, or about")
	total  = flag.Int64("bytes", 0, "how many `bytes` to send in all")
)

func main() {
	flag.Parse()
	err := errors.New("either -listen or -dial is needed, and -n is at least 1")
	switch {
	case *count < 1 || flag.NArg() > 0 || *total < 0:
	case *listen != "":
		err = serve()
	case *dial != "":
		err = call()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

// block is how much is read and written at once: less if there are many to do so.
func block() int { return min(max(32<<20 / *count, 8<<10), 128<<10) }

func serve() error {
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			buf := make([]byte, block())
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
	}
}

// parallel is how many connections are made at the same time.
const parallel = 64

func call() error {
	began := time.Now()
	conns := make([]net.Conn, *count)
	slots := make(chan struct{}, parallel)
	err := each(func(i int) (err error) {
		slots <- struct{}{}
		defer func() { <-slots }()
		conns[i], err = net.Dial("tcp", *dial)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("connected %.6f\n", time.Since(began).Seconds())
	if *total == 0 {
		_, err := io.Copy(io.Discard, bufio.NewReader(os.Stdin))
		return err
	}
	began = time.Now()
	buf := make([]byte, block())
	share := *total / int64(*count)
	err = each(func(i int) error { return send(conns[i].(*net.TCPConn), buf, share) })
	if err != nil {
		return err
	}
	fmt.Printf("moved %.6f\n", time.Since(began).Seconds())
	return nil
}

// send sends n bytes and waits until the other end has taken them.
func send(c *net.TCPConn, buf []byte, n int64) error {
	defer c.Close()
	for n > 0 {
		k, err := c.Write(buf[:min(int64(len(buf)), n)])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("the other end did not close: %v", err)
	}
	return nil
}

// each does something for all connections at once.
func each(do func(i int) error) error {
	errs := make([]error, *count)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
