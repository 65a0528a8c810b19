package tests

import (
	"testing"

	"rock/tests/harness"
)

// Python's asyncio: non-blocking sockets and epoll, at both ends.
func TestPython(t *testing.T) {
	t.Parallel()
	testProgram(t, harness.TransferSpec{PythonServer: true, PythonClient: true})
}

// A Python client at a Go server, and the other way round.
func TestPythonAndGo(t *testing.T) {
	t.Parallel()
	t.Run("Python client", func(t *testing.T) { testProgram(t, harness.TransferSpec{PythonClient: true}) })
	t.Run("Go client", func(t *testing.T) { testProgram(t, harness.TransferSpec{PythonServer: true}) })
}
