package main

import (
	"encoding/binary"
	"net"
	"time"

	"rock/tests/bench/board"
)

const (
	// pace is how often a connection sends and reads.
	pace = 20 * time.Millisecond
	// behind is for how long a reader lets it come in before it begins.
	behind = 5 * pace
)

// conn is one connection. It counts in bytes what has been sent and received, which tells the next number.
type conn struct {
	net.Conn
	board *board.Board
	place *board.Conn
	chunk int // bytes to send or receive at once
	next  uint64
}

// send sends a chunk at each tick. It returns when the connection fails.
func (c *conn) send() {
	for tick := time.NewTicker(pace); c.write(c.chunk); {
		<-tick.C
	}
}

// write sends the next numbers, and says whether it could. Only one goroutine may call it.
func (c *conn) write(size int) bool {
	b := make([]byte, 0, size)
	for ; len(b) < size; c.next++ {
		b = binary.BigEndian.AppendUint64(b, c.next)
	}
	if _, err := c.Write(b); err != nil {
		c.board.Errors.Add(1)
		return false
	}
	return true
}

// receive checks what comes, a chunk at each tick if slowly. It returns when the connection fails or brings what
// was not sent.
func (c *conn) receive(slowly bool) {
	if slowly {
		time.Sleep(behind)
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	buf := make([]byte, c.chunk)
	for at := uint64(0); ; {
		n, err := c.Read(buf)
		if n > 0 {
			c.board.First(&c.place.Came)
		}
		for _, got := range buf[:n] {
			if want := byte(at / 8 >> (56 - 8*(at%8))); got != want {
				c.board.Errors.Add(1)
				return
			}
			at++
		}
		c.place.Received.Store(int64(at))
		if err != nil {
			c.board.Errors.Add(1)
			return
		}
		if slowly {
			<-tick.C
		}
	}
}
