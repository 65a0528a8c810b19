// Stream sends a checked byte stream over TCP in both directions at once and says
// on standard output, as one JSON object per line, what became of it. It is a
// program for the tests: it knows nothing of rocks.
//
//	stream -listen ADDR | -dial ADDR [-bytes N] [-rate BYTES/S] [-tick D] [-idle] [-endless] [-until FILE] [-keep] [-gap D]
//
// Both ends send N bytes in numbered, checksummed blocks, then end their side and
// read the other's to its end. With -tick they send a small block every D until
// standard input ends instead; with -idle they send nothing until then, with -endless as many blocks as go. With -until
// it is not standard input that ends it, but FILE, once there is one. With -keep it goes on listening when it has a connection.
// The exit status is 0 if every block arrived, in order and whole.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

type options struct {
	listen, dial string
	network      string
	bytes        int64
	rate         int64
	tick         time.Duration
	idle         bool
	endless      bool
	until        string
	keep         bool
	gap          time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "", "serve one connection on this `address`")
	flag.StringVar(&o.dial, "dial", "", "connect to this `address`")
	flag.StringVar(&o.network, "network", "tcp", "tcp, tcp4 or tcp6")
	flag.Int64Var(&o.bytes, "bytes", 0, "how much to send")
	flag.Int64Var(&o.rate, "rate", 0, "bytes per second at most, 0 for no limit")
	flag.DurationVar(&o.tick, "tick", 0, "send a small block this often, until standard input ends")
	flag.BoolVar(&o.idle, "idle", false, "send nothing until standard input ends")
	flag.BoolVar(&o.endless, "endless", false, "send until standard input ends")
	flag.StringVar(&o.until, "until", "", "wait for a `file` instead of the end of standard input")
	flag.BoolVar(&o.keep, "keep", false, "go on listening")
	flag.DurationVar(&o.gap, "gap", 100*time.Millisecond, "tell when nothing has come for longer than this")
	flag.Parse()
	r := newReport(os.Stdout, o.gap)
	err := run(o, r)
	r.end(err)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

func run(o options, r *report) error {
	conn, err := connection(o, r)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.connected(conn)

	stop := make(chan struct{})
	if o.tick > 0 || o.idle || o.endless {
		go func() {
			defer close(stop)
			if o.until == "" {
				io.Copy(io.Discard, os.Stdin)
				return
			}
			for {
				if _, err := os.Stat(o.until); err == nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
	sent := make(chan error, 1)
	go func() {
		err := send(conn, o, r, stop)
		if err == nil {
			err = conn.CloseWrite()
		}
		sent <- err
	}()
	err = receive(conn, r)
	if err != nil {
		conn.Close() // so that the sender ends, too
	}
	return errors.Join(err, <-sent)
}

func connection(o options, r *report) (*net.TCPConn, error) {
	if o.dial != "" {
		c, err := net.Dial(o.network, o.dial)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
	l, err := net.Listen(o.network, o.listen)
	if err != nil {
		return nil, err
	}
	if !o.keep {
		defer l.Close()
	}
	r.listening(l)
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
