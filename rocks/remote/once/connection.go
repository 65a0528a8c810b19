package once

import (
	"io"
	"net"
	"sync"

	"rock/rocks"
)

// connection is the client's, and its other half to sshd.
type connection struct {
	rock *rocks.Conn
	sshd *net.TCPConn
}

// bridge carries everything both ways, until both ways have ended or one end has failed.
func (c *connection) bridge() {
	var both sync.WaitGroup
	both.Go(func() { c.carry(c.rock, c.sshd) })
	both.Go(func() { c.carry(c.sshd, c.rock) })
	both.Wait()
	_ = c.rock.Close()
	_ = c.sshd.Close()
}

// half is what a direction ends with.
type half interface {
	io.ReadWriter
	CloseWrite() error
}

// carry carries one way. An end of it that comes in order is carried too, else both ends learn of the failure.
func (c *connection) carry(from, to half) {
	_, err := io.Copy(to, from)
	if err == nil {
		err = to.CloseWrite()
	}
	if err != nil {
		_ = c.rock.Reset()
		_ = c.sshd.SetLinger(0) // a reset
		_ = c.sshd.Close()
	}
}
