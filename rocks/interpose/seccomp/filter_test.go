package seccomp_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
)

const (
	amd64 = unix.AUDIT_ARCH_X86_64
	arm64 = unix.AUDIT_ARCH_AARCH64

	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	notify = uint32(unix.SECCOMP_RET_USER_NOTIF)
)

func errno(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// verdict runs the filter of arch on a call in the BPF machine. That machine loads big
// endian words where the kernel loads native ones, so the words are written big
// endian, in the order of a little endian struct seccomp_data.
func verdict(t *testing.T, arch, callArch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	var prog []bpf.Instruction
	for _, f := range seccomp.Filter(arch) {
		prog = append(prog, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatalf("filter of %#x is not valid: %v", arch, err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], nr)
	binary.BigEndian.PutUint32(data[4:], callArch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatalf("run filter: %v", err)
	}
	return uint32(got)
}

// The numbers of both architectures, written down a second time from the
// kernel's tables.
var callNumbers = map[uint32]map[string]uint32{
	amd64: {
		"read": 0, "close": 3, "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45,
		"sendmsg": 46, "recvmsg": 47, "shutdown": 48, "bind": 49, "listen": 50, "getsockname": 51,
		"getpeername": 52, "socketpair": 53, "setsockopt": 54, "getsockopt": 55, "clone": 56, "execve": 59,
		"accept4": 288, "sendmmsg": 307, "io_uring_setup": 425, "io_uring_enter": 426,
	},
	arm64: {
		"read": 63, "close": 57, "socket": 198, "connect": 203, "accept": 202, "sendto": 206, "recvfrom": 207,
		"sendmsg": 211, "recvmsg": 212, "shutdown": 210, "bind": 200, "listen": 201, "getsockname": 204,
		"getpeername": 205, "socketpair": 199, "setsockopt": 208, "getsockopt": 209, "clone": 220, "execve": 221,
		"accept4": 242, "sendmmsg": 269, "io_uring_setup": 425, "io_uring_enter": 426,
	},
}

func TestFilter(t *testing.T) {
	const high = 0xdeadbeef << 32 // what the kernel cuts off an int argument
	neg := uint64(0xffffffff)
	tests := []struct {
		call string
		args []uint64
		want uint32
	}{
		{"connect", []uint64{3, 0x7fff0000, 16}, notify},
		{"connect", []uint64{3, 0x7fff0000, 28}, notify},
		{"connect", []uint64{3, 0x7fff0000, 128}, notify},
		{"connect", []uint64{3, 0x7fff0000, 15}, allow},
		{"connect", []uint64{3, 0x7fff0000, 12}, allow}, // sockaddr_nl
		{"connect", []uint64{3, 0x7fff0000, 0}, allow},
		{"connect", []uint64{3, 0x7fff0000, 109}, notify},
		{"connect", []uint64{3, 0x7fff0000, 110}, allow},
		{"connect", []uint64{3, 0x7fff0000, 111}, notify},
		{"connect", []uint64{3, 0x7fff0000, neg}, allow},
		{"connect", []uint64{3, 0x7fff0000, 1 << 31}, allow},
		{"connect", []uint64{3, 0x7fff0000, high | 16}, notify},
		{"connect", []uint64{3, 0x7fff0000, high | 110}, allow},
		{"connect", []uint64{3, 0x7fff0000, high | 2}, allow},
		{"bind", []uint64{3, 0x7fff0000, 16}, notify},
		{"bind", []uint64{3, 0x7fff0000, 110}, allow},
		{"bind", []uint64{3, 0x7fff0000, 8}, allow},
		{"listen", []uint64{3, 128}, notify},
		{"accept", []uint64{3, 0, 0}, notify},
		{"accept4", []uint64{3, 0, 0, 0}, notify},
		{"getsockname", []uint64{3}, notify},
		{"getpeername", []uint64{3}, notify},
		{"getsockopt", []uint64{3, 1, 4}, notify},
		{"getsockopt", []uint64{3, high | 1, high | 4}, notify},
		{"getsockopt", []uint64{3, 1, 28}, notify},
		{"getsockopt", []uint64{3, 0, 80}, notify},
		{"getsockopt", []uint64{3, 41, 80}, notify},
		{"getsockopt", []uint64{3, 1, 80}, allow},
		{"getsockopt", []uint64{3, 0, 4}, allow},
		{"getsockopt", []uint64{3, 41, 28}, allow},
		{"getsockopt", []uint64{3, 6, 4}, allow},
		{"getsockopt", []uint64{3, 1, 7}, allow},
		{"setsockopt", []uint64{3, 6, 30}, errno(unix.ENOPROTOOPT)},
		{"setsockopt", []uint64{3, high | 6, high | 30}, errno(unix.ENOPROTOOPT)},
		{"setsockopt", []uint64{3, 6, 23}, allow}, // TCP_FASTOPEN on a listener
		{"setsockopt", []uint64{3, 1, 30}, allow},
		{"socket", []uint64{2, 1, 262}, errno(unix.EPROTONOSUPPORT)},
		{"socket", []uint64{10, 0x80801, 262}, errno(unix.EPROTONOSUPPORT)},
		{"socket", []uint64{high | 10, 1, high | 262}, errno(unix.EPROTONOSUPPORT)},
		{"socket", []uint64{1, 1, 262}, allow},
		{"socket", []uint64{2, 1, 6}, allow},
		{"socket", []uint64{2, 1, 0}, allow},
		{"sendto", []uint64{3, 0, 5, 0x20000000, 0, 16}, errno(unix.EOPNOTSUPP)},
		{"sendto", []uint64{3, 0, 5, 0x20004000, 0, 16}, errno(unix.EOPNOTSUPP)},
		{"sendto", []uint64{3, 0, 0x20000000, 0x4000, 0x20000000, 16}, allow},
		{"sendmsg", []uint64{3, 0, 0x20000000}, errno(unix.EOPNOTSUPP)},
		{"sendmsg", []uint64{3, 0x20000000, 0x4040}, allow},
		{"sendmmsg", []uint64{3, 0, 2, 0x20000000}, errno(unix.EOPNOTSUPP)},
		{"sendmmsg", []uint64{3, 0, 0x20000000, 0}, allow},
		{"io_uring_setup", []uint64{8, 0}, errno(unix.ENOSYS)},
		{"io_uring_enter", nil, allow},
		{"read", nil, allow},
		{"close", nil, allow},
		{"clone", nil, allow},
		{"execve", nil, allow},
		{"recvfrom", []uint64{3, 0, 0, 0x20000000}, allow},
		{"recvmsg", nil, allow},
		{"shutdown", nil, allow},
		{"socketpair", []uint64{2, 1, 262}, allow},
	}
	for _, arch := range []uint32{amd64, arm64} {
		for _, tt := range tests {
			nr, ok := callNumbers[arch][tt.call]
			if !ok {
				t.Fatalf("no number for %s", tt.call)
			}
			if got := verdict(t, arch, arch, nr, tt.args...); got != tt.want {
				t.Errorf("%#x %s%x = %#x, want %#x", arch, tt.call, tt.args, got, tt.want)
			}
		}
	}
}

// Every number is tried, so that no rule catches a call that is not its own.
func TestFilterAllowsAllElse(t *testing.T) {
	for _, arch := range []uint32{amd64, arm64} {
		known := map[uint32]bool{}
		for _, name := range []string{"connect", "bind", "listen", "accept", "accept4",
			"getsockname", "getpeername", "io_uring_setup"} {
			known[callNumbers[arch][name]] = true
		}
		for nr := range uint32(1024) {
			got := verdict(t, arch, arch, nr, 3, 0, 16)
			if want := known[nr]; (got != allow) != want {
				t.Errorf("%#x: call %d = %#x, decided: want %v", arch, nr, got, want)
			}
		}
	}
}

func TestFilterForeign(t *testing.T) {
	const x32 = 0x40000000
	tests := []struct {
		arch, callArch, nr uint32
	}{
		{amd64, unix.AUDIT_ARCH_I386, 42},
		{amd64, unix.AUDIT_ARCH_I386, 102}, // socketcall
		{amd64, arm64, 203},
		{amd64, amd64, x32 | 42},
		{amd64, amd64, x32 | 425},
		{amd64, amd64, 0xffffffff},
		{arm64, amd64, 42},
		{arm64, unix.AUDIT_ARCH_ARM, 283},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%#x-%#x-%d", tt.arch, tt.callArch, tt.nr), func(t *testing.T) {
			if got := verdict(t, tt.arch, tt.callArch, tt.nr, 3, 0, 16); got != allow {
				t.Errorf("verdict = %#x, want allow", got)
			}
		})
	}
	if got := seccomp.Filter(unix.AUDIT_ARCH_PPC64LE); got != nil {
		t.Errorf("filter of an unknown architecture = %v, want nil", got)
	}
}
