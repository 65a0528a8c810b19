package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// peers are the connections to the other ranks, by rank; its own is nil.
type peers []net.Conn

// connect connects a rank to all others: it dials the higher ones, and the lower ones dial it. It waits for those that are
// not there yet. The listener stays open.
func connect(rank int, addresses []string) (peers, error) {
	p := make(peers, len(addresses))
	_, port, err := net.SplitHostPort(addresses[rank])
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return nil, err
	}
	fmt.Println("listening")
	for to := rank + 1; to < len(p); to++ {
		if p[to], err = dial(addresses[to]); err != nil {
			return nil, err
		}
		if err := binary.Write(p[to], binary.BigEndian, uint32(rank)); err != nil {
			return nil, err
		}
	}
	for range rank {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		var from uint32
		if err := binary.Read(c, binary.BigEndian, &from); err != nil {
			return nil, err
		}
		if from >= uint32(rank) || p[from] != nil {
			return nil, fmt.Errorf("rank %d called rank %d", from, rank)
		}
		p[from] = c
	}
	fmt.Println("connected")
	return p, nil
}

// dial calls a rank until it is there.
func dial(address string) (net.Conn, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil || time.Now().After(deadline) {
			return c, err
		}
	}
}

// round exchanges blocks and then sums with all others, and returns the new value.
func (p peers) round(rank, round int, value uint64) (uint64, error) {
	sums := make([]uint64, len(p))
	var mu sync.Mutex
	if err := p.each(rank, func(to int, c net.Conn) error {
		out, in := make([]byte, blockSize), make([]byte, blockSize)
		makeBlock(out, rank, to, round, value)
		if err := exchange(c, out, in); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		sums[rank] += sumOf(in, to, rank)
		return nil
	}); err != nil {
		return 0, err
	}
	if err := p.each(rank, func(to int, c net.Conn) error {
		var out, in [8]byte
		binary.BigEndian.PutUint64(out[:], sums[rank])
		if err := exchange(c, out[:], in[:]); err != nil {
			return err
		}
		sums[to] = binary.BigEndian.Uint64(in[:])
		return nil
	}); err != nil {
		return 0, err
	}
	return next(value, sums), nil
}

// each does something with every other rank at the same time.
func (p peers) each(rank int, do func(to int, c net.Conn) error) error {
	errs := make([]error, len(p))
	var all sync.WaitGroup
	for to, c := range p {
		if to != rank {
			all.Go(func() {
				if err := do(to, c); err != nil {
					errs[to] = fmt.Errorf("with rank %d: %w", to, err)
				}
			})
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

// exchange writes and reads at the same time, since the other end does the same.
func exchange(c net.Conn, out, in []byte) error {
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(out)
		wrote <- err
	}()
	if _, err := io.ReadFull(c, in); err != nil {
		return err
	}
	return <-wrote
}
