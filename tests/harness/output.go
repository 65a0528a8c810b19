package harness

import (
	"bytes"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

// output collects what a program writes and wakes those who wait for some of it.
type output struct {
	mu      sync.Mutex
	data    []byte
	changed chan struct{} // closed and made anew at each write
	file    *os.File      // what the program writes to if it is not a pipe to us
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addLocked(p)
	return len(p), nil
}

func (o *output) addLocked(p []byte) {
	o.data = append(o.data, p...)
	close(o.changed)
	o.changed = make(chan struct{})
}

// collect makes a file and collects what is written to it until t ends.
func (o *output) collect(t testing.TB, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	o.file = file
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				o.snapshot()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		file.Close()
	})
}

// snapshot returns what there is, and a channel that is closed when there is more.
func (o *output) snapshot() ([]byte, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		rest := io.NewSectionReader(o.file, int64(len(o.data)), 1<<40)
		if more, _ := io.ReadAll(rest); len(more) > 0 {
			o.addLocked(more)
		}
	}
	return bytes.Clone(o.data), o.changed
}

// tail returns the last n bytes.
func (o *output) tail(n int) []byte {
	data, _ := o.snapshot()
	return data[max(0, len(data)-n):]
}
