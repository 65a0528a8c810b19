package ckpt

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
)

// termiosBytes returns terminal modes as the kernel has them.
func termiosBytes(t *unix.Termios) []byte {
	b := *(*[unsafe.Sizeof(unix.Termios{})]byte)(unsafe.Pointer(t))
	return b[:]
}

// setTerminal gives a new terminal the modes and the size of the old one; the front adjusts the size to what the
// user has now.
func setTerminal(f *os.File, t *image.Terminal) error {
	var modes unix.Termios
	b := (*[unsafe.Sizeof(modes)]byte)(unsafe.Pointer(&modes))
	if len(t.Termios) != len(b) {
		return fmt.Errorf("the terminal's modes in the image have %d bytes, %d are known here", len(t.Termios), len(b))
	}
	copy(b[:], t.Termios)
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &modes); err != nil {
		return fmt.Errorf("set the modes of the terminal: %w", err)
	}
	return nil
}
