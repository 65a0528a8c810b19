package stage

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReleaseStandard lets go of what this process has been given at its descriptors 0 to 2: who reads from a pipe waits until the last
// writer has closed it, and this process is to be none. They are /dev/null then.
func ReleaseStandard() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0)
	}
}
