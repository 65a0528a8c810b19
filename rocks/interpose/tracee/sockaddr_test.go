package tracee

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Families and scope ids are little endian on both architectures.
func TestParse(t *testing.T) {
	const global = "20010db8000000000000000000000001"
	const local = "fe800000000000000000000000000001"
	tests := []struct {
		name, hex string
		family    int
		want      string
		err       error
	}{
		{"v4", "0200 1f90 c0000201 0000000000000000", unix.AF_INET, "192.0.2.1:8080", nil},
		{"v4, longer", "0200 1f90 c0000201 0000000000000000 ffffffffffffffff", unix.AF_INET, "192.0.2.1:8080", nil},
		{"v4, short", "0200 1f90 c0000201 00000000000000", unix.AF_INET, "", unix.EINVAL},
		{"v6", "0a00 1f90 00000000" + global + "00000000", unix.AF_INET6, "[2001:db8::1]:8080", nil},
		{"v6 of RFC 2133", "0a00 1f90 00000000" + local, unix.AF_INET6, "[fe80::1]:8080", nil},
		{"v6, short", "0a00 1f90 00000000" + global[2:], unix.AF_INET6, "", unix.EINVAL},
		{"v6 with flow label", "0a00 1f90 00012345" + global + "00000000", unix.AF_INET6, "[2001:db8::1]:8080", nil},
		{"v6 with scope", "0a00 1f90 00000000" + local + "03000000", unix.AF_INET6, "[fe80::1%3]:8080", nil},
		{"v6 multicast with scope", "0a00 1f90 00000000 ff020000000000000000000000000001 03000000",
			unix.AF_INET6, "[ff02::1%3]:8080", nil},
		{"v6 with a scope that does not matter", "0a00 1f90 00000000" + global + "03000000", unix.AF_INET6,
			"[2001:db8::1]:8080", nil},
		{"v4-mapped", "0a00 1f90 00000000 00000000000000000000ffffc0000201 00000000", unix.AF_INET6,
			"[::ffff:192.0.2.1]:8080", nil},
		{"unspecified", "0000 1f90 c0000201 0000000000000000", unix.AF_UNSPEC, "", nil},
		{"unix", "0100 2f746d702f78 00", unix.AF_UNIX, "", nil},
		{"two bytes", "0000", unix.AF_UNSPEC, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, family, err := parse(unhex(t, tt.hex))
			var want netip.AddrPort
			if tt.want != "" {
				want = netip.MustParseAddrPort(tt.want)
			}
			if got != want || family != tt.family || !errors.Is(err, tt.err) {
				t.Errorf("parse = %v, %d, %v, want %v, %d, %v", got, family, err, want, tt.family, tt.err)
			}
		})
	}
}

func TestSockaddrLength(t *testing.T) {
	// Our own memory is a task's memory too.
	b := append(unhex(t, "0200 1f90 7f000001 0000000000000000"), make([]byte, 256)...)
	addr := uint64(uintptr(unsafe.Pointer(&b[0])))
	tests := []struct {
		n   uint64
		err error
	}{
		{16, nil}, {128, nil}, {0xdeadbeef<<32 | 16, nil},
		{129, unix.EINVAL}, {1, unix.EINVAL}, {0, unix.EINVAL},
		{0xffffffff, unix.EINVAL}, {15, unix.EINVAL},
	}
	for _, tt := range tests {
		_, _, err := Sockaddr(os.Getpid(), addr, tt.n)
		if !errors.Is(err, tt.err) {
			t.Errorf("length %#x: %v, want %v", tt.n, err, tt.err)
		}
	}
	if _, _, err := Sockaddr(os.Getpid(), 0, 16); !errors.Is(err, unix.EFAULT) {
		t.Errorf("NULL: %v, want EFAULT", err)
	}
	if _, _, err := Sockaddr(1<<30, addr, 16); !errors.Is(err, unix.ESRCH) {
		t.Errorf("no such task: %v, want ESRCH", err)
	}
}

func TestFormat(t *testing.T) {
	tests := []struct {
		addr   string
		family int
		want   string
		err    error
	}{
		{"192.0.2.1:8080", unix.AF_INET, "0200 1f90 c0000201 0000000000000000", nil},
		{"[::ffff:192.0.2.1]:8080", unix.AF_INET, "0200 1f90 c0000201 0000000000000000", nil},
		{"", unix.AF_INET, "0200 0000 00000000 0000000000000000", nil},
		{"[::]:80", unix.AF_INET, "0200 0050 00000000 0000000000000000", nil},
		{"[2001:db8::1]:80", unix.AF_INET, "", unix.EAFNOSUPPORT},
		{"192.0.2.1:8080", unix.AF_INET6, "0a00 1f90 00000000 00000000000000000000ffffc0000201 00000000", nil},
		{"[2001:db8::1]:8080", unix.AF_INET6, "0a00 1f90 00000000 20010db8000000000000000000000001 00000000", nil},
		{"[fe80::1%3]:8080", unix.AF_INET6, "0a00 1f90 00000000 fe800000000000000000000000000001 03000000", nil},
		{"[fe80::1%lo]:8080", unix.AF_INET6, "0a00 1f90 00000000 fe800000000000000000000000000001 01000000", nil},
		{"[fe80::1%gone]:8080", unix.AF_INET6, "0a00 1f90 00000000 fe800000000000000000000000000001 00000000", nil},
		{"", unix.AF_INET6, "0a00 0000 00000000 00000000000000000000000000000000 00000000", nil},
		{"192.0.2.1:80", unix.AF_UNIX, "", unix.EAFNOSUPPORT},
	}
	for _, tt := range tests {
		var a netip.AddrPort
		if tt.addr != "" {
			a = netip.MustParseAddrPort(tt.addr)
		}
		got, err := format(a, tt.family)
		if want := unhex(t, tt.want); string(got) != string(want) || !errors.Is(err, tt.err) {
			t.Errorf("format(%q, %d) = %x, %v, want %x, %v", tt.addr, tt.family, got, err, want, tt.err)
		}
	}
}

// What is parsed and formatted again is what the kernel saw: all but the padding,
// the flow label and scope ids that do not matter.
func FuzzSockaddr(f *testing.F) {
	f.Add(unhex(f, "0200 1f90 c0000201 0000000000000000"))
	f.Add(unhex(f, "0a00 1f90 00000000 fe800000000000000000000000000001 03000000"))
	f.Add(unhex(f, "0a00 1f90 00000000 00000000000000000000ffffc0000201 00000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || len(b) > storageLen {
			return
		}
		a, family, err := parse(b)
		if err != nil || !a.IsValid() {
			return
		}
		out, err := format(a, family)
		if err != nil {
			t.Fatalf("format %v: %v", a, err)
		}
		again, _, err := parse(out)
		if err != nil || again != a {
			t.Errorf("%v came back as %v, %v", a, again, err)
		}
	})
}
