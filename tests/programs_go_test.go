package tests

import (
	"debug/elf"
	"net/netip"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

const smallTransfer = 20_000_000

// testProgram sends a small transfer through a change of the client's address, over
// IPv4 and IPv6.
func testProgram(t *testing.T, spec harness.TransferSpec) {
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		at4 := harness.At(l.B, 1, 7000)
		at6 := harness.At6(l.B, 1, 7001)
		for _, at := range []netip.AddrPort{at4, at6} {
			spec.Server, spec.Client, spec.ServerSide, spec.ClientSide = l.B, l.A, s, s
			spec.Bytes, spec.Rate, spec.At = smallTransfer, smallTransfer, at
			tr := spec.Start(t)
			tr.WaitReceived(t, smallTransfer/10)
			cutUnderRock(l, s)
			tr.Finish(t)
		}
	})
}

// A static Go program makes its system calls without any C library.
func TestGo(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(harness.Program(t, "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Fatalf("the program is not static, it needs %q", libraries)
	}
	testProgram(t, harness.TransferSpec{})
}
