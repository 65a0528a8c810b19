package seccomp

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// numbers are the system call numbers of one architecture that the filter
// knows. They stand here for both architectures, and not only for the one
// compiled for, so that each filter can be tested everywhere.
type numbers struct {
	socket, connect, bind, listen, accept, accept4 uint32
	getsockname, getpeername                       uint32
	getsockopt, setsockopt                         uint32
	sendto, sendmsg, sendmmsg                      uint32
	ioUringSetup                                   uint32
	// x32 is the bit that marks a call of the x32 ABI, which shares its
	// AUDIT_ARCH with amd64; 0 where there is no such thing.
	x32 uint32
}

// numbersOf returns the numbers of an AUDIT_ARCH_* value. Source: the kernel's
// arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
func numbersOf(arch uint32) (n numbers, ok bool) {
	switch arch {
	case unix.AUDIT_ARCH_X86_64:
		return numbers{
			socket: 41, connect: 42, bind: 49, listen: 50, accept: 43, accept4: 288,
			getsockname: 51, getpeername: 52, getsockopt: 55, setsockopt: 54,
			sendto: 44, sendmsg: 46, sendmmsg: 307,
			ioUringSetup: 425,
			x32:          0x40000000,
		}, true
	case unix.AUDIT_ARCH_AARCH64:
		return numbers{
			socket: 198, connect: 203, bind: 200, listen: 201, accept: 202, accept4: 242,
			getsockname: 204, getpeername: 205, getsockopt: 209, setsockopt: 208,
			sendto: 206, sendmsg: 211, sendmmsg: 269,
			ioUringSetup: 425,
		}, true
	}
	return numbers{}, false
}

// nativeArch returns the AUDIT_ARCH_* value of this program, 0 if the package
// does not know the architecture.
func nativeArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}
