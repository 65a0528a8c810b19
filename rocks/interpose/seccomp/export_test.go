package seccomp

// SetPolling makes l behave as on kernels where RECV does not end with the last task.
func SetPolling(l *Listener) { l.direct = false }

// SetTwoStep makes l behave as on kernels without SECCOMP_ADDFD_FLAG_SEND.
func SetTwoStep(l *Listener) { l.twoStep.Store(true) }

// TakesTwoSteps says that l has learnt to do without SECCOMP_ADDFD_FLAG_SEND.
func TakesTwoSteps(l *Listener) bool { return l.twoStep.Load() }

// SetSyncWakeup turns the synchronous wake-up on or off.
func SetSyncWakeup(l *Listener, on bool) error {
	var flags uintptr
	if on {
		flags = 1
	}
	if e := l.ioctl(0x40082104, flags); e != 0 { // SECCOMP_IOCTL_NOTIF_SET_FLAGS
		return e
	}
	return nil
}

// Explain and NoAccess are the classifications of Probe.
var (
	Explain  = explain
	NoAccess = noAccess
	LookPath = lookPath
)
