package rocks

import (
	"bytes"
	"fmt"
	"io"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

const (
	readBuffer = 32 << 10 // bytes read at once; payload beyond goes straight into the receive buffer
	readDirect = 4 << 10  // payload of at least so much is read straight into the receive buffer
)

// A LinkError says that the peer broke the protocol on a link. The link is given up, the rock and
// its data stay as they were, and both ends try again.
type LinkError struct {
	Frame  wire.FrameType
	Detail string
}

func (e *LinkError) Error() string { return e.Frame.String() + " frame: " + e.Detail }

func violation(t wire.FrameType, format string, args ...any) error {
	return &LinkError{Frame: t, Detail: fmt.Sprintf(format, args...)}
}

// read is the goroutine that receives.
func (l *link) read() {
	defer close(l.reader)
	<-l.after
	r := frameReader{l: l, buf: make([]byte, readBuffer)}
	err := r.run()
	l.c.mu.Lock()
	ending := l.ending && !l.stopped
	l.c.mu.Unlock()
	if ending {
		// The rock has ended; wait for the other end to see that too. The writer bounds the wait.
		if _, err := io.Copy(io.Discard, l.nc); err != nil {
			l.unheard()
		}
	}
	l.lost(err)
}

// unheard takes in that the peer may not have heard the last words on a link. After a goodbye that does
// not matter, since it has said the same.
func (l *link) unheard() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.c.wasReset {
		l.c.mournLocked()
	}
}

// frameReader takes frames off the connection.
type frameReader struct {
	l    *link
	buf  []byte
	r, w int // buf[r:w] is read and not handled

	// The last frame brought much, so the next may, too: no more than its header is read, as its payload is to go elsewhere.
	brief bool
}

func (f *frameReader) run() error {
	if err := f.refusal(); err != nil {
		return err
	}
	for {
		if err := f.need(wire.FrameHeaderSize); err != nil {
			return err
		}
		h, err := wire.ParseFrameHeader(f.buf[f.r:])
		if err != nil {
			return err
		}
		f.r += wire.FrameHeaderSize
		f.brief = f.brief && h.Type == wire.FrameData
		if h.Type == wire.FrameData {
			err = f.data(h.Length)
		} else {
			err = f.control(h)
		}
		if err != nil {
			return err
		}
	}
}

// refusal looks whether the link starts with a refusal of the handshake's last message instead of a frame. No
// frame starts like one.
func (f *frameReader) refusal() error {
	x := f.l.said
	if x == nil {
		return nil
	}
	f.l.said = nil
	if err := f.need(1); err != nil || f.buf[f.r] != wire.Magic[0] {
		return err
	}
	if err := f.need(wire.HeaderSize); err != nil {
		return err
	}
	x.r = io.MultiReader(bytes.NewReader(f.buf[f.r:f.w]), f.l.nc)
	m, raw, err := x.read("refusal")
	if err != nil {
		return err
	}
	r, ok := m.(*wire.Refuse)
	if !ok {
		return &wire.FormatError{What: "link", Detail: "it starts with " + m.Type().String()}
	}
	return f.l.c.refused(x, &refusal{Refuse: r, proven: x.authentic(auth.LabelRefuse, raw)})
}

// need reads until n bytes are in the buffer.
func (f *frameReader) need(n int) error {
	for f.w-f.r < n {
		if f.r == f.w {
			f.r, f.w = 0, 0
		} else if f.r+n > len(f.buf) {
			f.w = copy(f.buf, f.buf[f.r:f.w])
			f.r = 0
		}
		room := f.buf[f.w:]
		if f.brief {
			room = room[:max(n-(f.w-f.r), wire.DataHeaderSize)]
		}
		k, err := f.readInto(room)
		f.w += k
		if err != nil && f.w-f.r < n {
			return err
		}
	}
	return nil
}

// readInto reads once and notes the sign of life.
func (f *frameReader) readInto(p []byte) (int, error) {
	n, err := f.l.nc.Read(p)
	if n > 0 {
		f.l.hear()
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}

// control handles a frame that is not a data frame.
func (f *frameReader) control(h wire.FrameHeader) error {
	if err := f.need(h.Length); err != nil {
		return err
	}
	frame, err := wire.ParseFrameBody(h.Type, f.buf[f.r:f.r+h.Length])
	if err != nil {
		return err
	}
	f.r += h.Length
	return f.l.handle(frame)
}

// data handles a data frame piece by piece, so that what arrived counts even if the link fails
// in the middle of it.
func (f *frameReader) data(length int) error {
	const offsetSize = wire.DataHeaderSize - wire.FrameHeaderSize
	if err := f.need(offsetSize); err != nil {
		return err
	}
	offset := wire.ParseDataOffset(f.buf[f.r:])
	f.r += offsetSize
	for left := length - offsetSize; left > 0; {
		n := min(left, f.w-f.r)
		var err error
		if n == 0 && left >= readDirect {
			n, err = f.direct(offset, left)
		} else if n == 0 {
			err = f.need(1)
		} else {
			err = f.l.receive(offset, f.buf[f.r:f.r+n])
			f.r += n
		}
		if err != nil {
			return err
		}
		offset += uint64(n)
		left -= n
	}
	return nil
}

// direct reads payload from the connection into the receive buffer. It returns 0 if it can not and
// has filled the own buffer instead.
func (f *frameReader) direct(offset uint64, left int) (int, error) {
	room, err := f.l.reserve(offset, left)
	if err != nil {
		return 0, err
	}
	if room == nil {
		return 0, f.need(1)
	}
	f.brief = left > readBuffer
	n, err := f.readInto(room)
	if err != nil {
		return 0, err
	}
	return n, f.l.commit(n)
}
