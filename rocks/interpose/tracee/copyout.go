package tracee

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// WriteSockaddr stores an address as the result of accept(2) and accept4(2):
// nothing at all if addrPtr is NULL, else by the rules of [WriteName].
// addrPtr and lenPtr are the argument registers; family is the socket's, AF_INET or AF_INET6.
func WriteSockaddr(tid int, addrPtr, lenPtr uint64, a netip.AddrPort, family int) error {
	if addrPtr == 0 {
		return nil
	}
	return WriteName(tid, addrPtr, lenPtr, a, family)
}

// WriteName stores an address as the result of getsockname(2) and
// getpeername(2), by the rules of the kernel's move_addr_to_user: as many bytes
// as the caller's length allows, and the real length into the length word even
// if the address was cut. EINVAL if the caller's length is negative; EFAULT if
// memory is not there or not writable (a NULL addrPtr is fine with length 0).
func WriteName(tid int, addrPtr, lenPtr uint64, a netip.AddrPort, family int) error {
	b, err := format(a, family)
	if err != nil {
		return err
	}
	n, err := readLen(tid, lenPtr)
	if err != nil {
		return err
	}
	if err := Write(tid, addrPtr, b[:min(n, len(b))]); err != nil {
		return err
	}
	return writeLen(tid, lenPtr, len(b))
}

// WritePeername stores an address as the result of getsockopt(2) with
// SO_PEERNAME: EINVAL if the caller's length is larger than the address, cut if
// it is smaller, and the length word keeps the caller's length.
func WritePeername(tid int, valPtr, lenPtr uint64, a netip.AddrPort, family int) error {
	b, err := format(a, family)
	if err != nil {
		return err
	}
	n, err := readLen(tid, lenPtr)
	if err != nil {
		return err
	}
	if n > len(b) {
		return fmt.Errorf("peer name into %d bytes: %w", n, unix.EINVAL)
	}
	if err := Write(tid, valPtr, b[:n]); err != nil {
		return err
	}
	return writeLen(tid, lenPtr, n)
}

// WriteOption stores the value of a socket option such as SO_ERROR, a C int, as
// the result of getsockopt(2): as many bytes as the caller's length allows, and
// that number into the length word. EINVAL if the caller's length is negative.
func WriteOption(tid int, valPtr, lenPtr uint64, value int32) error {
	n, err := readLen(tid, lenPtr)
	if err != nil {
		return err
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(value))
	n = min(n, len(b))
	if err := Write(tid, valPtr, b[:n]); err != nil {
		return err
	}
	return writeLen(tid, lenPtr, n)
}

// readLen reads the socklen_t that says how much room the caller has. The
// kernel takes it for a signed int.
func readLen(tid int, lenPtr uint64) (int, error) {
	var b [4]byte
	if err := Read(tid, lenPtr, b[:]); err != nil {
		return 0, err
	}
	n := int(int32(binary.NativeEndian.Uint32(b[:])))
	if n < 0 {
		return 0, fmt.Errorf("room of %d bytes: %w", n, unix.EINVAL)
	}
	return n, nil
}

func writeLen(tid int, lenPtr uint64, n int) error {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	return Write(tid, lenPtr, b[:])
}
