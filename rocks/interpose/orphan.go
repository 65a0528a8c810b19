package interpose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoSocket says that no socket has the addresses asked for.
var errNoSocket = errors.New("no such socket")

// Layout of a sock_diag(7) exchange about one TCP socket
// (linux/inet_diag.h: inet_diag_req_v2, inet_diag_msg), after the 16-byte
// netlink header:
//
//	request: family 1, protocol 1, ext 1, pad 1, states 4, id 48
//	reply:   family 1, state 1, timer 1, retrans 1, id 48, expires 4,
//	         rqueue 4, wqueue 4, uid 4, inode 4
//	id:      sport 2, dport 2, src 16, dst 16, interface 4, cookie 8
const (
	diagHeaderSize  = unix.SizeofNlMsghdr
	diagRequestSize = diagHeaderSize + 8 + 48
	diagInodeAt     = diagHeaderSize + 4 + 48 + 16
	diagByFamily    = 20 // SOCK_DIAG_BY_FAMILY

	diagRemotePortAt = diagHeaderSize + 4 + 2
)

// socketInode asks the kernel for the inode of the TCP socket with these
// addresses; a zero remote asks for the listener at local. The inode is 0
// once no process has the socket open. It needs no privilege.
func socketInode(local, remote netip.AddrPort) (uint32, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("ask for a socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, diagRequest(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask for a socket: send: %w", err)
	}
	var reply [512]byte
	n, _, err := unix.Recvfrom(fd, reply[:], 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(fd, reply[:], 0)
	}
	if err != nil {
		return 0, fmt.Errorf("ask for a socket: receive: %w", err)
	}
	return diagReply(reply[:n], remote.Port())
}

func diagRequest(local, remote netip.AddrPort) []byte {
	b := make([]byte, diagRequestSize)
	hdr := (*unix.NlMsghdr)(unsafe.Pointer(&b[0]))
	hdr.Len, hdr.Type, hdr.Flags = uint32(len(b)), diagByFamily, unix.NLM_F_REQUEST
	req := b[diagHeaderSize:]
	req[0], req[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Unmap().Is4() {
		req[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(req[4:], ^uint32(0)) // all states
	id := req[8:]
	binary.BigEndian.PutUint16(id[0:], local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().Unmap().AsSlice())
	if remote.IsValid() {
		copy(id[20:36], remote.Addr().Unmap().AsSlice())
	}
	binary.NativeEndian.PutUint64(id[40:], ^uint64(0)) // any cookie
	return b
}

// diagReply returns the inode. For a connection that is gone the kernel answers with the listener at its local address, if
// there is one: that has another remote port.
func diagReply(b []byte, remotePort uint16) (uint32, error) {
	if len(b) < diagHeaderSize+4 {
		return 0, fmt.Errorf("ask for a socket: reply of %d bytes", len(b))
	}
	hdr := (*unix.NlMsghdr)(unsafe.Pointer(&b[0]))
	if hdr.Type == unix.NLMSG_ERROR {
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(b[diagHeaderSize:])))
		if errno == unix.ENOENT {
			return 0, errNoSocket
		}
		return 0, fmt.Errorf("ask for a socket: %w", errno)
	}
	if hdr.Type != diagByFamily || len(b) < diagInodeAt+4 {
		return 0, fmt.Errorf("ask for a socket: reply of type %d, %d bytes", hdr.Type, len(b))
	}
	if binary.BigEndian.Uint16(b[diagRemotePortAt:]) != remotePort {
		return 0, errNoSocket
	}
	return binary.NativeEndian.Uint32(b[diagInodeAt:]), nil
}

// diagWorks reports whether the kernel answers such questions at all: without
// inet_diag every socket seems not to exist.
func diagWorks() bool {
	fd, err := listenLoopback(unix.AF_INET, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	inode, err := socketInode(localAddr(fd), netip.AddrPort{})
	return err == nil && inode != 0
}

// awaitOrphan waits until no process has the socket with these addresses open
// any more, and returns true; or false if the kernel cannot say. A FIN alone
// does not tell close(2) from shutdown(2), but sock_diag does. It asks at
// growing intervals, since the kernel announces the end of sockets to
// privileged listeners only. When stop is closed the answer is true: the
// group is gone, and so are its sockets. It gives up when leave says so. A connection that was taken over when it had ended both ways has no
// addresses any more, nor anybody who has it open.
func awaitOrphan(local, remote net.Addr, stop <-chan struct{}, leave func() bool) bool {
	const longest = 250 * time.Millisecond
	l, r := addrPortOf(local), addrPortOf(remote)
	if !l.IsValid() || !r.IsValid() {
		return true
	}
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, longest) {
		select {
		case <-stop:
			return true
		case <-time.After(wait):
		}
		if leave() {
			return false
		}
		inode, err := socketInode(l, r)
		if errors.Is(err, errNoSocket) || err == nil && inode == 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
}
