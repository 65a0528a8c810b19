//go:build !linux

package rocks

import (
	"net/netip"
	"syscall"
	"time"
)

// What only Linux has. Without marks no rock is detected at the other end of
// a first connection; links of known rocks work.

func prepareDial(syscall.RawConn, int, bool) error { return nil }

func prepareListen(syscall.RawConn) error { return nil }

func savedMSS(int) int { return 0 }

func smoothedRTT(int) time.Duration { return 0 }

func hostAddrs() ([]netip.Addr, error) { return interfaceAddrs() }

func routedHere(a netip.Addr) bool { return a.IsLoopback() }

func changes() eventSource { return pollInterfaces() }
