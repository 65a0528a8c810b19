package interpose

import (
	"io"
	"net"
	"syscall"
	"time"
)

// ordinary is a plain TCP connection as a carrier. Copying may be broken off by a deadline at any time and
// taken up again: what was read and not written then waits here.
type ordinary struct {
	*net.TCPConn
	in  []byte // read from the peer, not yet written to the leg; of WriteTo
	out []byte // read from the leg, not yet written to the peer; of ReadFrom
}

// Reset closes the connection with RST.
func (o *ordinary) Reset() error {
	_ = o.SetLinger(0)
	return o.Close()
}

// ReadFrom carries what the program sends.
func (o *ordinary) ReadFrom(r io.Reader) (int64, error) { return pass(o.TCPConn, r, &o.out) }

// WriteTo carries what the peer sends.
func (o *ordinary) WriteTo(w io.Writer) (int64, error) { return pass(w, o.TCPConn, &o.in) }

// pass copies until the end of r or an error. left is what was read and not written.
func pass(w io.Writer, r io.Reader, left *[]byte) (total int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		for len(*left) > 0 {
			n, err := w.Write(*left)
			*left = (*left)[n:]
			total += int64(n)
			if err != nil {
				return total, err
			}
		}
		n, err := r.Read(buf)
		*left = append((*left)[:0], buf[:n]...)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
	}
}

// finished is the carrier of a leg whose connection has ended: what the program has not read is the
// leg's cargo, and behind it comes the end.
type finished struct {
	err           error // nil: an orderly end
	local, remote net.Addr
}

// ended returns what is left of a connection that has ended, in order or by a reset.
func ended(end string, local, remote net.Addr) *finished {
	f := &finished{local: local, remote: remote}
	if end == endReset {
		f.err = syscall.ECONNRESET
	}
	return f
}

// ReadFrom takes nothing: nobody is there.
func (f *finished) ReadFrom(io.Reader) (int64, error) { return 0, f.writeErr() }

// Write takes nothing.
func (f *finished) Write([]byte) (int, error) { return 0, f.writeErr() }

func (f *finished) writeErr() error {
	if f.err != nil {
		return f.err
	}
	return syscall.EPIPE
}

// WriteTo gives nothing but the end.
func (f *finished) WriteTo(io.Writer) (int64, error) { return 0, f.err }

// CloseWrite does nothing, as do the others.
func (f *finished) CloseWrite() error                { return nil }
func (f *finished) Reset() error                     { return nil }
func (f *finished) Close() error                     { return nil }
func (f *finished) SetReadDeadline(time.Time) error  { return nil }
func (f *finished) SetWriteDeadline(time.Time) error { return nil }
func (f *finished) LocalAddr() net.Addr              { return f.local }
func (f *finished) RemoteAddr() net.Addr             { return f.remote }

var (
	_ carrier = (*ordinary)(nil)
	_ carrier = (*finished)(nil)
)
