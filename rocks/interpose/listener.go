package interpose

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rock/rocks/detect"
	"rock/rocks/estate"
)

// listener stands for one listening socket of the program. The program's own
// socket, bound to the public address, is kept by the supervisor; the program
// has a private loopback listener in its place.
//
// Each delivery rings the private listener with a connection of its own, the
// doorbell, so that poll, select and epoll in the program, also exclusive and
// edge-triggered ones, see exactly what they would see of the kernel's accept
// queue. For a rock the doorbell is the leg itself; for an ordinary
// connection it is thrown away and the raw socket is handed over.
type listener struct {
	ip     *Interposer
	family int

	public        *os.File // the program's own bound socket
	publicAddr    netip.AddrPort
	publicCookie  uint64
	private       netip.AddrPort
	privateCookie uint64
	held          *detect.Held
	backlog       int            // as the program gave it
	line          chan *delivery // to be rung for
	head          []*delivery    // before those in line; the usher's, or whose who has paused it
	pauses        chan chan struct{}
	room          chan struct{}   // one token for each doorbell that waits, up to the backlog
	ctx           context.Context // ends when the listener is shut
	cancel        context.CancelFunc
	shutOnce      sync.Once
	record        *estate.Record // for an heir, nil for none
	work          sync.WaitGroup // serve, usher and those that watch held connections

	mu      sync.Mutex // guards the fields below, and the private accept queue
	waiting map[netip.AddrPort]*delivery
	callers []*heldAccept
}

// newListener takes over public, a duplicate of the program's bound socket,
// makes it listen and returns with it the descriptor of the private listener
// that is to take its place. An error of the kernel's listen comes as it is.
func newListener(ip *Interposer, public, family, backlog int) (l *listener, private int, err error) {
	private, err = newPrivate(ip.home, public, family, backlog)
	if err != nil {
		return nil, -1, err
	}
	_ = unix.SetsockoptInt(public, unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1)
	// A client that waits for our verdict sends nothing: it must be seen all the same.
	_ = unix.SetsockoptInt(public, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0)
	wasNonblocking := nonblocking(public)
	if err := unix.Listen(public, backlog); err != nil {
		unix.Close(private)
		return nil, -1, &listenError{err}
	}
	publicCookie, err := cookie(public)
	var privateCookie uint64
	if err == nil {
		privateCookie, err = cookie(private)
	}
	if err == nil {
		err = errors.Join(setNonblocking(private, wasNonblocking), setNonblocking(public, true))
	}
	if err != nil {
		unix.Close(private)
		return nil, -1, fmt.Errorf("prepare listener: %w", err)
	}
	l = ip.listenerOn(public, family, backlog)
	l.publicCookie, l.private, l.privateCookie = publicCookie, localAddr(private), privateCookie
	return l, private, nil
}

// listenerOn takes over public, a socket that listens. The caller adds what identifies the sockets.
func (ip *Interposer) listenerOn(public, family, backlog int) *listener {
	l := &listener{
		ip: ip, family: family, publicAddr: localAddr(public), backlog: backlog,
		public:  os.NewFile(uintptr(public), "public listener"),
		line:    make(chan *delivery, room(-1)),
		pauses:  make(chan chan struct{}),
		room:    make(chan struct{}, room(backlog)),
		waiting: map[netip.AddrPort]*delivery{},
	}
	l.ctx, l.cancel = context.WithCancel(ip.ctx)
	l.held = ip.heldOn(l.publicAddr.Port())
	return l
}

// listenError is the program's own error from listen(2).
type listenError struct{ error }

func (e *listenError) Unwrap() error { return e.error }

// room is how many deliveries may wait: what the kernel would queue.
func room(backlog int) int {
	const somaxconn = 4096
	if backlog < 0 || backlog > somaxconn {
		return somaxconn
	}
	return max(backlog, 1)
}

// newPrivate opens the private listener, with the program's options on it, for
// accepted connections to inherit.
func newPrivate(home legHome, public, family, backlog int) (int, error) {
	fd, err := streamSocket(family, 0)
	if err != nil {
		return -1, err
	}
	copyOptions(public, fd, family)
	// Lets the port be told from one that only accepted connections still use.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	addr := netip.AddrPortFrom(home.address(public, family), 0)
	if err := unix.Bind(fd, sockaddr(addr, family)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind private listener to %v: %w", addr, err)
	}
	if err := unix.Listen(fd, room(backlog)+8); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on private listener: %w", err)
	}
	// The program may ask for it. Before bind it would let others have the port.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, intOption(public, unix.SOL_SOCKET, unix.SO_REUSEPORT))
	return fd, nil
}

// serve accepts on the public socket until the listener is closed. It is the
// goroutine that owns the public socket.
func (l *listener) serve() {
	for {
		fd, remote, err := l.acceptPublic()
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) {
			l.ip.log.Warn("cannot accept", "address", l.publicAddr, "error", err)
			time.Sleep(50 * time.Millisecond) // as servers do: the queue waits in the kernel
			continue
		}
		if err != nil {
			l.ip.log.Debug("public listener ended", "address", l.publicAddr, "error", err)
			return
		}
		if !l.ip.gate.pass(l.ctx) {
			resetOnClose(fd)
			unix.Close(fd)
			return
		}
		l.admit(fd, remote)
	}
}

// acceptPublic waits for the next connection from outside.
func (l *listener) acceptPublic() (fd int, remote netip.AddrPort, err error) {
	raw, err := l.public.SyscallConn()
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	var sa unix.Sockaddr
	waitErr := raw.Read(func(s uintptr) bool {
		for {
			fd, sa, err = unix.Accept4(int(s), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			switch err {
			case unix.EINTR, unix.ECONNABORTED:
				continue
			}
			return err != unix.EAGAIN
		}
	})
	if err = errors.Join(waitErr, err); err != nil {
		return -1, netip.AddrPort{}, err
	}
	return fd, addrOf(sa), nil
}

// start begins to accept from outside.
func (l *listener) start() {
	l.keep()
	l.work.Go(l.serve)
	l.work.Go(l.usher)
}

// shut ends the listener once the program has closed its own. When it returns
// the port is free; what was in the queue is reset, as by the kernel.
func (l *listener) shut() {
	l.shutOnce.Do(func() {
		l.cancel()
		l.unkeep()
		l.public.Close() // waits until the descriptor is out of use
		l.mu.Lock()
		left := l.waiting
		l.waiting = map[netip.AddrPort]*delivery{}
		l.mu.Unlock()
		for _, d := range left {
			d.discard()
		}
		l.ip.dials.Go(l.clear)
		l.ip.sockets.forgetListener(l) // last: others look here for listeners that still hold a port
	})
}

// clear waits for all that was started and gives up what is left in the line.
func (l *listener) clear() {
	l.work.Wait()
	for _, d := range l.head {
		d.discard()
	}
	for {
		select {
		case d := <-l.line:
			d.discard()
		default:
			return
		}
	}
}

// abandoned reports whether no process has the private listener open.
func (l *listener) abandoned() bool {
	if !l.ip.diag {
		return false // every socket would seem to be gone
	}
	inode, err := socketInode(l.private, netip.AddrPort{})
	return errors.Is(err, errNoSocket) || err == nil && inode == 0
}
