package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// A hello is magic and a version, which is a uint32.
const (
	magic       = "rockmove"
	helloLength = len(magic) + 4
)

// What is quoted of something that is no hello: so much, or what comes within a moment.
const (
	mostGreeting = 400
	graceTime    = 300 * time.Millisecond
)

// Hello tells the other end our version and learns its one. It is called once at each end, before anything else; it
// blocks until the other end has done the same.
//
// The error is a [*GreetingError] if something else answers, a [*VersionError] if it has another version. After
// an error the Conn is of no use, and may read and write until its transport is closed.
func (c *Conn) Hello() error {
	ours := binary.BigEndian.AppendUint32([]byte(magic), Version)
	sent := make(chan error, 1)
	go func() { sent <- c.write(ours, 0) }()
	theirs, err := c.readHello()
	if err != nil {
		c.ended = err
		return err
	}
	err = <-sent // lest the caller closes the transport before the other end knows our version
	if theirs != Version {
		c.ended = &VersionError{Ours: Version, Theirs: theirs}
		return c.ended
	}
	return err
}

// readHello returns the version in the other end's hello. It looks at each byte as it comes: what is no hello
// may be shorter.
func (c *Conn) readHello() (uint32, error) {
	got := make([]byte, 0, helloLength)
	for len(got) < helloLength {
		b, err := c.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, &GreetingError{Text: printable(got)}
		case err != nil:
			return 0, fmt.Errorf("receive from the other end: %w", err)
		}
		n := len(got)
		if got = append(got, b); n < len(magic) && b != magic[n] {
			return 0, &GreetingError{Text: printable(c.readOn(got))}
		}
	}
	c.receivedWire.Add(int64(helloLength))
	return binary.BigEndian.Uint32(got[len(magic):]), nil
}

// readOn adds to something that is no hello what else there is of it. A shell may write it in pieces, and may then
// wait for what it is told: so there is a limit of time, and a goroutine that ends when the transport does.
func (c *Conn) readOn(got []byte) []byte {
	more, enough := make(chan []byte), make(chan struct{})
	defer close(enough)
	go func() {
		defer close(more)
		for {
			b := make([]byte, mostGreeting)
			n, err := c.r.Read(b)
			select {
			case more <- b[:n]:
			case <-enough:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	grace := time.NewTimer(graceTime)
	defer grace.Stop()
	for len(got) < mostGreeting {
		select {
		case b, ok := <-more:
			if !ok {
				return got
			}
			got = append(got, b...)
		case <-grace.C:
			return got
		}
	}
	return got[:mostGreeting]
}

// printable makes one line of b.
func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, string(b))
	return strings.Join(strings.Fields(s), " ")
}
