package seccomp

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (seccomp(2)). Arguments are 64 bits wide;
// all that is looked at are C ints, of which the kernel itself uses the low
// word only, so only that is loaded (both architectures are little endian).
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// Lengths of socket addresses that decide in the filter.
const (
	minIPLen = 16  // sizeof(struct sockaddr_in): anything shorter is not IP
	unixLen  = 110 // sizeof(struct sockaddr_un): what nearly all callers pass
)

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST
// (linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h).
const soOriginalDst = 80

const (
	allow  = unix.SECCOMP_RET_ALLOW
	notify = unix.SECCOMP_RET_USER_NOTIF
)

func fail(e unix.Errno) uint32 {
	return unix.SECCOMP_RET_ERRNO | uint32(e)&unix.SECCOMP_RET_DATA
}

// Filter returns the program for one architecture (an AUDIT_ARCH_* value), nil
// for an architecture that the package does not know. It decides as follows:
//
//	foreign architecture, x32 calls                                  allow
//	connect, bind           length < 16 (signed) or == 110           allow
//	                        any other length                         notify
//	listen, accept, accept4, getsockname, getpeername                notify
//	getsockopt              SOL_SOCKET SO_ERROR, SO_PEERNAME         notify
//	                        SOL_IP, SOL_IPV6 SO_ORIGINAL_DST (80)    notify
//	socket                  AF_INET, AF_INET6 with IPPROTO_MPTCP     EPROTONOSUPPORT
//	sendto, sendmsg, sendmmsg   flag MSG_FASTOPEN                    EOPNOTSUPP
//	setsockopt              IPPROTO_TCP TCP_FASTOPEN_CONNECT         ENOPROTOOPT
//	io_uring_setup                                                   ENOSYS
//	all else                                                         allow
//
// The errors are those that a kernel without the feature would give, so every
// caller has a fallback: rings and Fast Open connect without a connect call,
// and MPTCP sockets (the default of Go's listeners) cannot be relayed.
//
// A call whose number alone decides costs nothing: the kernel evaluates those
// once and keeps them in a bitmap (5.11).
func Filter(arch uint32) []unix.SockFilter {
	n, ok := numbersOf(arch)
	if !ok {
		return nil
	}
	prog := []unix.SockFilter{
		load(offArch),
		jump(unix.BPF_JEQ, arch, 1, 0),
		ret(allow),
		load(offNr),
	}
	if n.x32 != 0 {
		prog = append(prog, jump(unix.BPF_JGE, n.x32, 0, 1), ret(allow))
	}
	for _, r := range rules(n) {
		prog = append(prog, jump(unix.BPF_JEQ, r.nr, 0, uint8(len(r.body))))
		prog = append(prog, r.body...)
	}
	return append(prog, ret(allow))
}

// A rule says what happens to one system call. Its body ends in a return on
// every way through, so the number need not be loaded again after it.
type rule struct {
	nr   uint32
	body []unix.SockFilter
}

func rules(n numbers) []rule {
	always := func(verdict uint32) []unix.SockFilter { return body(verdict) }
	addressed := body(notify,
		when(allow, less(2, minIPLen)),
		when(allow, equal(2, unixLen)),
		when(allow, negative(2)))
	fastOpen := func(flags int) []unix.SockFilter {
		return body(allow, when(fail(unix.EOPNOTSUPP), hasBits(flags, unix.MSG_FASTOPEN)))
	}
	mptcp := func(family uint32) []unix.SockFilter {
		return when(fail(unix.EPROTONOSUPPORT), equal(0, family), equal(2, unix.IPPROTO_MPTCP))
	}
	return []rule{
		{n.connect, addressed},
		{n.bind, addressed},
		{n.listen, always(notify)},
		{n.accept, always(notify)},
		{n.accept4, always(notify)},
		{n.getsockname, always(notify)},
		{n.getpeername, always(notify)},
		{n.getsockopt, body(allow,
			when(notify, equal(1, unix.SOL_SOCKET), equal(2, unix.SO_ERROR)),
			when(notify, equal(1, unix.SOL_SOCKET), equal(2, unix.SO_PEERNAME)),
			when(notify, equal(1, unix.SOL_IP), equal(2, soOriginalDst)),
			when(notify, equal(1, unix.SOL_IPV6), equal(2, soOriginalDst)))},
		{n.setsockopt, body(allow,
			when(fail(unix.ENOPROTOOPT), equal(1, unix.IPPROTO_TCP), equal(2, unix.TCP_FASTOPEN_CONNECT)))},
		{n.socket, body(allow, mptcp(unix.AF_INET), mptcp(unix.AF_INET6))},
		{n.sendto, fastOpen(3)},
		{n.sendmsg, fastOpen(2)},
		{n.sendmmsg, fastOpen(3)},
		{n.ioUringSetup, always(fail(unix.ENOSYS))},
	}
}

// body joins blocks; what none of them decided gets the last verdict.
func body(otherwise uint32, blocks ...[]unix.SockFilter) []unix.SockFilter {
	var b []unix.SockFilter
	for _, block := range blocks {
		b = append(b, block...)
	}
	return append(b, ret(otherwise))
}

// when returns a block that gives the verdict if all tests hold and otherwise
// goes on behind itself.
func when(verdict uint32, tests ...test) []unix.SockFilter {
	var b []unix.SockFilter
	for i, t := range tests {
		behind := uint8(2*(len(tests)-i-1) + 1) // the tests left and the return
		b = append(b, load(offArgs+8*uint32(t.arg)))
		if t.not {
			b = append(b, jump(t.op, t.k, behind, 0))
		} else {
			b = append(b, jump(t.op, t.k, 0, behind))
		}
	}
	return append(b, ret(verdict))
}

// A test compares the low word of an argument with a constant.
type test struct {
	arg int
	op  uint16
	k   uint32
	not bool
}

func equal(arg int, k uint32) test   { return test{arg, unix.BPF_JEQ, k, false} }
func less(arg int, k uint32) test    { return test{arg, unix.BPF_JGE, k, true} }
func negative(arg int) test          { return test{arg, unix.BPF_JGE, 1 << 31, false} }
func hasBits(arg int, k uint32) test { return test{arg, unix.BPF_JSET, k, false} }

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

func jump(op uint16, k uint32, jt, jf uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, Jt: jt, Jf: jf, K: k}
}

func ret(verdict uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
}

// IsFilter reports whether b is the program that Install installs on this machine, in the form that the kernel has
// it (struct sock_filter, linux/filter.h).
func IsFilter(b []byte) bool {
	prog := Filter(nativeArch())
	if prog == nil || len(b) != len(prog)*int(unsafe.Sizeof(prog[0])) {
		return false
	}
	return bytes.Equal(b, unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), len(b)))
}
