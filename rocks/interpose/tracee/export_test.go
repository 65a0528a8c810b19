package tracee

// The ways of kernels without process_vm_readv(2) and without PIDFD_THREAD.
var (
	ReadMem     = readMem
	OpenProcess = openProcess
)
