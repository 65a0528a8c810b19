package rocks

import "syscall"

// A sink takes bytes at once or not at all. Who has bytes for it can give it them without another goroutine, which would
// have to be woken and might have to wait.
type sink interface {
	// TryWrite writes the beginning of p, as much as there is room for, and returns how much that was. It never
	// waits. It returns 0 after an error, which the next Write will meet again. One goroutine may call it at a time, and
	// none may be in Write.
	TryWrite(p []byte) int
}

// sinkOf returns how to write to w without waiting, nil if there is no way.
func sinkOf(w any) sink {
	switch w := w.(type) {
	case sink:
		return w
	case syscall.Conn:
		raw, err := w.SyscallConn()
		if err != nil {
			return nil
		}
		s := &socketSink{raw: raw}
		s.try = s.write
		return s
	}
	return nil
}

// socketSink is a socket as a sink.
type socketSink struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // write, made once
	p   []byte
	n   int
}

// TryWrite writes once.
func (s *socketSink) TryWrite(p []byte) int {
	s.p, s.n = p, 0
	_ = s.raw.Write(s.try) // it fails if nothing may be written, because of a deadline for instance
	s.p = nil
	return s.n
}

// write is called with the descriptor, which does not block, and says that there is nothing to wait for.
func (s *socketSink) write(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), s.p)
		if err != syscall.EINTR {
			s.n = max(n, 0)
			return true
		}
	}
}
