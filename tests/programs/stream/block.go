package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"time"
)

// A block is a header of 16 bytes (number, length, CRC of the payload, all big
// endian) and the payload.
const (
	headerSize = 16
	maxPayload = 64<<10 - headerSize
)

// send sends what the options ask for and returns when it is all written.
func send(w io.Writer, o options, r *report, stop <-chan struct{}) error {
	switch {
	case o.tick > 0:
		return sendTicks(w, o.tick, r, stop)
	case o.idle:
		<-stop
		return nil
	case o.endless:
		return sendBulk(w, math.MaxInt64, o.rate, r, stop)
	}
	return sendBulk(w, o.bytes, o.rate, r, nil)
}

func sendTicks(w io.Writer, every time.Duration, r *report, stop <-chan struct{}) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	b := newBlocks()
	for {
		select {
		case <-stop:
			return nil
		case <-ticker.C:
			if err := b.write(w, 16, r); err != nil {
				return err
			}
		}
	}
}

// sendBulk keeps to the rate over the whole time, so that after an outage it
// catches up as fast as it can for one second's worth at most.
func sendBulk(w io.Writer, total, rate int64, r *report, stop <-chan struct{}) error {
	b := newBlocks()
	due := time.Now()
	for sent := int64(0); sent < total; {
		select {
		case <-stop:
			return nil
		default:
		}
		n := min(total-sent, headerSize+maxPayload)
		if err := b.write(w, max(0, int(n)-headerSize), r); err != nil {
			return err
		}
		sent += max(n, headerSize)
		if rate > 0 {
			due = due.Add(time.Duration(n) * time.Second / time.Duration(rate))
			if late := time.Now().Add(-time.Second); due.Before(late) {
				due = late
			}
			time.Sleep(time.Until(due))
		}
	}
	return nil
}

// blocks makes blocks with consecutive numbers and random payload.
type blocks struct {
	number uint64
	random *rand.ChaCha8
	buf    [headerSize + maxPayload]byte
}

func newBlocks() *blocks {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(time.Now().UnixNano()))
	return &blocks{random: rand.NewChaCha8(seed)}
}

func (b *blocks) write(w io.Writer, size int, r *report) error {
	block := b.buf[:headerSize+size]
	payload := block[headerSize:]
	b.random.Read(payload)
	binary.BigEndian.PutUint64(block, b.number)
	binary.BigEndian.PutUint32(block[8:], uint32(size))
	binary.BigEndian.PutUint32(block[12:], crc32.ChecksumIEEE(payload))
	b.number++
	if _, err := w.Write(block); err != nil {
		return err
	}
	r.sent(block)
	return nil
}

// receive checks blocks until the peer ends its side.
func receive(c net.Conn, r *report) error {
	in := bufio.NewReaderSize(c, 256<<10)
	var buf [headerSize + maxPayload]byte
	for number := uint64(0); ; number++ {
		if _, err := io.ReadFull(in, buf[:headerSize]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		got, size := binary.BigEndian.Uint64(buf[:]), binary.BigEndian.Uint32(buf[8:])
		if got != number || size > maxPayload {
			return fmt.Errorf("block %d of %d bytes where block %d should be", got, size, number)
		}
		block := buf[:headerSize+size]
		if _, err := io.ReadFull(in, block[headerSize:]); err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		if crc32.ChecksumIEEE(block[headerSize:]) != binary.BigEndian.Uint32(buf[12:]) {
			return fmt.Errorf("block %d: wrong checksum", number)
		}
		r.received(block)
	}
}
