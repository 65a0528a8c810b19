package detect

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// SavedMSS returns the MSS in bytes of the SYN that an accepted TCP socket came
// from, 0 if it is unknown: the listener did not have TCP_SAVE_SYN set to 1, or
// answered with a cookie. The kernel forgets a SYN once it was read, so only the
// first call for a socket knows. It does not block.
func SavedMSS(fd int) int {
	// The value is binary: unix.GetsockoptString would end it at the first zero.
	var saved [512]byte // longest: IPv4 with options 120, IPv6 with usual extensions less than 300
	n := uint32(len(saved))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
		uintptr(unsafe.Pointer(&saved[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0
	}
	mss, _ := SYNMSS(saved[:n])
	return mss
}
