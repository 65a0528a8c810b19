package interpose

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// carrier takes a leg's bytes to the peer and back: a rock, or an ordinary
// connection that the supervisor had to make itself.
type carrier interface {
	io.ReaderFrom
	io.WriterTo
	CloseWrite() error // FIN, after all that was written
	Reset() error      // RST
	io.Writer
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Close() error // as close(2): what was written is still delivered
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// leg joins the supervisor's end of a loopback connection, whose other end is
// the program's own socket, with a carrier. Ends and errors cross it as they
// are: FIN as FIN, RST as RST, in each direction by itself.
//
//	           park             unpark
//	carrying --------> parked ---------> carrying --> ended
//	                        \___________________discard_/
type leg struct {
	outer   carrier
	sock    *socket // the program's
	log     *slog.Logger
	stop    <-chan struct{} // closed when no process of the group is left
	onEnded func()

	listener uint64 // cookie of the public socket of the listener that it is a doorbell of; 0: none
	keep     func() // before it carries
	kept     *kept  // its record, nil for none; of run, and of the caller of park while parked

	parking  atomic.Bool
	left     atomic.Bool   // the program's bytes have ended in order
	parked   chan struct{} // answered when both directions are at rest
	unparked chan bool     // carry on, or not
	over     chan struct{} // closed at the end, after onEnded

	// Owned by run and its two goroutines while carrying, by the caller of park
	// while parked.
	inner *net.TCPConn
	cargo
}

// cargo is what is in a leg while it is parked, and where its ends stand.
type cargo struct {
	peerFIN   bool   // the peer's bytes have ended, behind toProgram
	finDue    bool   // the program's end was drained, not yet given to the carrier
	toPeer    []byte // drained, not yet given to the carrier
	toProgram []byte // drained, not yet given to the program
}

// run carries bytes both ways until both directions have ended, then closes
// both sides. It is the goroutine that owns the leg.
func (l *leg) run() {
	// Whoever sees that the leg is over must not find it among those that are carried: to park it
	// would break off the leg that has its carrier now.
	defer close(l.over)
	defer l.onEnded()
	for {
		prepare(l.inner)
		l.keep()
		var both sync.WaitGroup
		both.Go(l.carryToPeer)
		both.Go(l.carryToProgram)
		both.Wait()
		if !l.parking.Load() {
			break
		}
		l.parked <- struct{}{}
		if !<-l.unparked {
			return
		}
	}
	_ = l.inner.Close()
	_ = l.outer.Close()
}

// How many bytes a program can send that we have not read, and how many we can that it has not read. The kernel would let both grow
// to many megabytes. Whatever is in the leg must be kept and carried along, and makes nothing faster; and a program that is
// to notice that its peer does not read should not have to send much more for that than over TCP.
const (
	legWindow = 512 << 10
	legBuffer = 256 << 10 // which the kernel doubles, for what it adds (socket(7))
)

// prepare sets the options of our end of a leg. Urgent bytes arrive in line: their mark is lost, they are not.
func prepare(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_WINDOW_CLAMP, legWindow)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, legBuffer)
	})
}

// carryToPeer carries what the program sends.
func (l *leg) carryToPeer() {
	in := &watched{Conn: l.inner}
	err := l.giveToPeer(in)
	switch {
	case l.atRest(err):
	case err == nil:
		if !l.left.Swap(true) {
			_ = l.outer.CloseWrite()
		}
		l.awaitClose()
	case in.err != nil: // the program closed with RST
		l.log.Debug("program reset its connection", "error", in.err)
		_ = l.outer.Reset()
	default:
		l.log.Debug("carrier took no more bytes", "error", err)
		l.resetProgram()
	}
}

// giveToPeer gives the carrier what was drained, and then what comes.
func (l *leg) giveToPeer(in io.Reader) error {
	for len(l.toPeer) > 0 {
		n, err := l.outer.Write(l.toPeer)
		l.toPeer = l.toPeer[n:]
		if err != nil {
			return err
		}
	}
	if l.left.Load() || l.finDue {
		return nil
	}
	_, err := l.outer.ReadFrom(in)
	return err
}

// awaitClose waits after the program's FIN until its socket is closed, not
// only shut down, and then closes the carrier as well: nobody will read what
// the peer still sends, and the peer must learn that as it would over TCP.
func (l *leg) awaitClose() {
	wake := func() bool { return l.parking.Load() }
	if awaitOrphan(l.inner.RemoteAddr(), l.inner.LocalAddr(), l.stop, wake) {
		_ = l.outer.Close()
	}
}

// carryToProgram carries what the peer sends.
func (l *leg) carryToProgram() {
	out := &watched{Conn: l.inner}
	err := l.giveToProgram(out)
	switch {
	case l.atRest(err):
	case err == nil:
		l.peerFIN = true
		_ = l.inner.CloseWrite()
	case out.err != nil && l.left.Load(): // what it sent before is still delivered
		_ = l.outer.Close()
	case out.err != nil:
		_ = l.outer.Reset()
	default:
		l.log.Debug("carrier ended", "error", err)
		l.resetProgram()
	}
}

// giveToProgram gives the program what was drained, and then what comes.
func (l *leg) giveToProgram(out io.Writer) error {
	for len(l.toProgram) > 0 {
		n, err := out.Write(l.toProgram)
		l.toProgram = l.toProgram[n:]
		if err != nil {
			return err
		}
	}
	if l.peerFIN {
		return nil
	}
	_, err := l.outer.WriteTo(out)
	return err
}

// atRest reports that a direction stopped because the leg is to be parked.
func (l *leg) atRest(err error) bool {
	return l.parking.Load() && errors.Is(err, os.ErrDeadlineExceeded)
}

// resetProgram makes the program see ECONNRESET, in both directions.
func (l *leg) resetProgram() {
	_ = l.inner.SetLinger(0)
	_ = l.inner.Close()
}

// watched remembers whether an error of a copy came from the leg.
type watched struct {
	net.Conn
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// SyscallConn is how little is written without waiting. An error of that is met by the next Write.
func (w *watched) SyscallConn() (syscall.RawConn, error) { return w.Conn.(syscall.Conn).SyscallConn() }

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err != nil {
		w.err = err
	}
	return n, err
}
