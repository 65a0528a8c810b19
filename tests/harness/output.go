package harness

import (
	"bytes"
	"sync"
)

// output collects what a program writes and wakes those who wait for some of it.
type output struct {
	mu      sync.Mutex
	data    []byte
	changed chan struct{} // closed and made anew at each write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, p...)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

// snapshot returns what there is, and a channel that is closed when there is more.
func (o *output) snapshot() ([]byte, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.data), o.changed
}

// tail returns the last n bytes.
func (o *output) tail(n int) []byte {
	data, _ := o.snapshot()
	return data[max(0, len(data)-n):]
}
