package tracee_test

import (
	"runtime"
	"testing"

	"rock/rocks/interpose/seccomptest"
)

// The programs' main goroutine stays on the main thread: only an init function
// can ask for that, and signals for the process go to that thread.
func init() {
	if seccomptest.IsProgram() {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	seccomptest.Main(m, map[string]func(){
		"copyout":     progCopyOut,
		"held":        progHeld,
		"descriptors": progDescriptors,
		"memory":      progMemory,
		"undumpable":  progUndumpable,
	})
}

// TestNobody runs the tests again as an ordinary user.
func TestNobody(t *testing.T) { seccomptest.AsNobody(t, "^Test") }
