package front

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// An event is the descriptor of an eventfd(2), which can be waited for together with others. It may be raised
// at any time by anybody.
type event int

func newEvent() (event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return event(fd), err
}

func (e event) raise() {
	_, _ = unix.Write(int(e), binary.NativeEndian.AppendUint64(nil, 1)) // fails only if it is raised already
}

func (e event) lower() {
	_, _ = unix.Read(int(e), make([]byte, 8)) // fails only if it is not raised
}

// before waits until the event is raised or fd is ready, or for so many milliseconds (-1: for ever), and says
// whether it is raised. A descriptor of -1 is never ready.
func (e event) before(fd int, events int16, patience int) bool {
	p := []unix.PollFd{{Fd: int32(e), Events: unix.POLLIN}, {Fd: int32(fd), Events: events}}
	for {
		if _, err := unix.Poll(p, patience); err == nil {
			return p[0].Revents != 0
		}
	}
}
