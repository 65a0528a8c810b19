package detect

import (
	"encoding/hex"
	"strings"
	"testing"
)

// Headers of SYNs from 192.0.2.1 and 2001:db8::1, in hexadecimal; spaces are for
// the eye. The checksums are void: the kernel has checked them, SYNMSS does not.
const (
	ipv4Head = "45 00 003c 0001 4000 40 06 0000 c0000201 c0000202 "
	ipv6Head = "60000000 0028 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
	// tcp40 is a TCP header of 40 bytes, tcp20 of 20 bytes, without their options.
	tcp40 = "9c40 0016 00000001 00000000 a0 02 faf0 0000 0000 "
	tcp24 = "9c40 0016 00000001 00000000 60 02 faf0 0000 0000 "
	tcp20 = "9c40 0016 00000001 00000000 50 02 faf0 0000 0000 "
	// linux is the options of a Linux SYN after the MSS.
	linux = "0402 080a 00000001 00000000 01 030307 "
)

// ipv6With returns the IPv6 header with another next header.
func ipv6With(next string) string { return strings.Replace(ipv6Head, "06 40", next+" 40", 1) }

// synTests are also the seeds of the fuzz target.
var synTests = []struct {
	name, packet string
	want         int // 0: none
}{
	{"IPv4", ipv4Head + tcp40 + "0204 05b3 " + linux, 1459},
	{"IPv4, strong", ipv4Head + tcp40 + "0204 0309 " + linux, 777},
	{"IPv4 with options", "47 00 0044 0001 4000 40 06 0000 c0000201 c0000202 94040000 01010100 " + tcp24 + "0204 04b3", 1203},
	{"IPv4 first fragment", "45 00 002c 0001 2000 40 06 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 1460},
	{"IPv4 later fragment", "45 00 002c 0001 0002 40 06 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 0},
	{"IPv4 header too long", "4f 00 002c 0001 4000 40 06 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 0},
	{"IPv4 header too short", "44 00 002c 0001 4000 40 06 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 0},
	{"IPv4 UDP", "45 00 002c 0001 4000 40 11 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 0},
	{"IPv4 header only", ipv4Head, 0},
	{"IPv4 header cut", "45 00 003c 0001", 0},

	{"IPv6", ipv6Head + tcp40 + "0204 05a0 " + linux, 1440},
	{"IPv6 header only", ipv6Head, 0},
	{"IPv6 header cut", "60000000 0028 06 40 2001", 0},
	{"hop by hop", ipv6With("00") + "06 00 0104 00000000 " + tcp24 + "0204 0593", 1427},
	{"routing and destination", ipv6With("2b") + "3c 00 04 00 00000000 06 01 010c 00000000 0000000000000000 " +
		tcp24 + "0204 0593", 1427},
	{"fragment, first", ipv6With("2c") + "06 00 0001 00000001 " + tcp24 + "0204 0593", 1427},
	{"fragment, later", ipv6With("2c") + "06 00 0008 00000001 " + tcp24 + "0204 0593", 0},
	{"authentication", ipv6With("33") + "06 04 0000 00000001 00000001 000000000000000000000000 " + tcp24 + "0204 0593", 1427},
	{"mobility", ipv6With("87") + "06 00 0000 00000000 " + tcp24 + "0204 0593", 1427},
	{"encrypted", ipv6With("32") + "06 00 0000 00000000 " + tcp24 + "0204 0593", 0},
	{"no next header", ipv6With("3b") + tcp24 + "0204 0593", 0},
	{"extension cut", ipv6With("00") + "06 00 01", 0},
	{"extension longer than the packet", ipv6With("00") + "06 ff 0104 00000000 " + tcp24 + "0204 0593", 0},
	{"many extensions", ipv6With("3c") + strings.Repeat("3c 00 0104 00000000 ", 50) + "06 00 0104 00000000 " +
		tcp24 + "0204 0593", 1427},

	{"nothing", "", 0},
	{"version 5", "55 00 002c 0001 4000 40 06 0000 c0000201 c0000202 " + tcp24 + "0204 05b4", 0},
	{"not a SYN", ipv4Head + "9c40 0016 00000001 00000000 60 10 faf0 0000 0000 0204 05b4", 0},
	{"TCP header cut", ipv4Head + "9c40 0016 00000001 00000000 60 02 faf0", 0},
	{"TCP header longer than the packet", ipv4Head + tcp40 + "0204 05b4", 0},
	{"TCP header too short", ipv4Head + "9c40 0016 00000001 00000000 40 02 faf0 0000 0000 0204 05b4", 0},

	{"no options", ipv4Head + tcp20, 0},
	{"no options but data", ipv4Head + tcp20 + "0204 05b4", 0},
	{"no MSS", ipv4Head + tcp24 + "01010101", 0},
	{"after NOPs", ipv4Head + tcp40 + "01010101 0402 0101 0204 05b3 00000000 00000000", 1459},
	{"after the end", ipv4Head + tcp40 + "00000000 0204 05b3 00000000 00000000 00000000", 0},
	{"last one counts", ipv4Head + tcp40 + "0204 05b4 0204 05b3 00000000 00000000 00000000", 1459},
	{"zero is none", ipv4Head + tcp40 + "0204 05b3 0204 0000 00000000 00000000 00000000", 1459},
	{"zero only", ipv4Head + tcp24 + "0204 0000", 0},
	{"MSS of length 3", ipv4Head + tcp40 + "0203 05 0204 05b3 00 00000000 00000000 00000000", 1459},
	{"MSS of length 6", ipv4Head + tcp40 + "0206 05b40000 0204 05b3 0000 00000000 00000000", 1459},
	{"MSS cut by the header", ipv4Head + tcp24 + "010204 05 b3", 0},
	{"option without length", ipv4Head + tcp24 + "01010102", 0},
	{"option of length 0", ipv4Head + tcp40 + "0800 0204 05b3 0000 00000000 00000000 00000000", 0},
	{"option of length 1", ipv4Head + tcp40 + "0801 0204 05b3 0000 00000000 00000000 00000000", 0},
	{"option longer than the header", ipv4Head + tcp40 + "08ff 0204 05b3 0000 00000000 00000000 00000000", 0},
	{"unknown option", ipv4Head + tcp40 + "fd04 e2d4 0204 05b3 00000000 00000000 00000000", 1459},
}

func packet(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSYNMSS(t *testing.T) {
	for _, tt := range synTests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := SYNMSS(packet(t, tt.packet))
			if got != tt.want || ok != (tt.want != 0) {
				t.Errorf("SYNMSS = %d, %v, want %d, %v", got, ok, tt.want, tt.want != 0)
			}
		})
	}
}

// TestSYNMSSCut checks that a packet cut anywhere in its headers has no MSS.
func TestSYNMSSCut(t *testing.T) {
	for _, text := range []string{
		ipv4Head + tcp24 + "0204 05b4",
		ipv6With("00") + "06 00 0104 00000000 " + tcp24 + "0204 05b4",
	} {
		whole := packet(t, text)
		for n := range whole {
			if got, ok := SYNMSS(whole[:n:n]); ok || got != 0 {
				t.Errorf("SYNMSS of %d of %d bytes = %d, %v, want 0, false", n, len(whole), got, ok)
			}
		}
	}
}

func FuzzSYNMSS(f *testing.F) {
	for _, tt := range synTests {
		f.Add(packet(f, tt.packet))
	}
	f.Fuzz(func(t *testing.T, saved []byte) {
		mss, ok := SYNMSS(saved)
		if ok != (mss != 0) || mss < 0 || mss > 0xffff {
			t.Errorf("SYNMSS(%x) = %d, %v", saved, mss, ok)
		}
	})
}
