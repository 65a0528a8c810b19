package rocks

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// watchWindow joins what belongs to one event: a link that comes up
	// brings its addresses and their routes within a millisecond or so.
	watchWindow = 10 * time.Millisecond
	// pollInterval is how often interfaces are looked at where the kernel
	// does not tell of changes.
	pollInterval = time.Second
)

// An eventSource calls changed for each event until ctx is done. Calls are
// cheap and may come in any number.
type eventSource func(ctx context.Context, changed func())

// Watch starts to watch before it returns: what changes afterwards is told.
// A value that nobody has taken stands for any number of later ones.
func (system) Watch(ctx context.Context) (<-chan struct{}, error) {
	out := make(chan struct{}, 1)
	go debounce(ctx, changes(), out)
	return out, nil
}

// debounce owns out and the goroutine of source.
func debounce(ctx context.Context, source eventSource, out chan<- struct{}) {
	events := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { source(ctx, func() { post(events) }) })
	defer close(out)
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		}
		// The window starts with the first event and is not extended by
		// others: an interface that flaps all the time must not hide.
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchWindow):
		}
		select {
		case <-events:
		default:
		}
		post(out)
	}
}

// post leaves a value in c, a channel with room for one, unless it is full.
func post(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pollInterfaces is the source where there is no other. It knows changes since
// it was called.
func pollInterfaces() eventSource {
	last := interfaceDigest()
	return func(ctx context.Context, changed func()) {
		tick := time.NewTicker(pollInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := interfaceDigest(); now != last {
				last = now
				changed()
			}
		}
	}
}

// interfaceDigest is a text that differs when interfaces or addresses do.
func interfaceDigest() string {
	ifis, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, ifi := range ifis {
		addrs, _ := ifi.Addrs()
		lines = append(lines, fmt.Sprint(ifi.Index, ifi.Name, ifi.Flags, addrs))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
