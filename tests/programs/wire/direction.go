package main

import (
	"os"
	"time"
)

// direction carries packets one way.
type direction struct {
	from, to *os.File
	perByte  time.Duration // the rate, as the time that a byte takes
	delay    time.Duration
	queue    int
}

// packet is one with its virtio-net header.
type packet struct {
	bytes []byte
	due   time.Time
}

const (
	largest = 10 + 64<<10 // bytes of a packet, with its header
	most    = 1 << 16     // packets on their way
)

// carry reads packets, notes when they are to arrive, and has them written then.
func (d *direction) carry() error {
	way := make(chan packet, most)
	failed := make(chan error, 1)
	go func() { failed <- d.deliver(way) }()
	var free time.Time // when all that came before has left
	buf := make([]byte, largest)
	for {
		n, err := d.from.Read(buf)
		if err != nil {
			return err
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if free.Sub(now) > time.Duration(d.queue)*d.perByte {
			continue // no room in the queue
		}
		free = free.Add(time.Duration(n) * d.perByte)
		select {
		case way <- packet{append([]byte(nil), buf[:n]...), free.Add(d.delay)}:
		case err := <-failed:
			return err
		}
	}
}

// deliver writes each packet when it is due.
func (d *direction) deliver(way <-chan packet) error {
	for p := range way {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := d.to.Write(p.bytes); err != nil {
			return err
		}
	}
	return nil
}
