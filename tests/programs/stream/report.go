package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net"
	"sync"
	"time"
)

// event is one line of output. Times are seconds since 1970.
type event struct {
	Event       string  `json:"event"` // listening connected progress gap end
	Time        float64 `json:"time"`
	Local       string  `json:"local,omitempty"`
	Remote      string  `json:"remote,omitempty"`
	Sent        int64   `json:"sent"`
	Received    int64   `json:"received"`
	SentSHA     string  `json:"sent_sha,omitempty"`
	ReceivedSHA string  `json:"received_sha,omitempty"`
	// Since is when the last block came before a gap; Time is when the next came.
	Since float64 `json:"since,omitempty"`
	Error string  `json:"error,omitempty"`
}

const (
	progressEvery = 50 * time.Millisecond
)

// report counts and hashes both directions and prints events. One goroutine may
// call sent, another received.
type report struct {
	mu   sync.Mutex
	out  *json.Encoder
	gap  time.Duration // one that is longer is told of
	last time.Time     // of the last progress event
	in   time.Time     // of the last block received

	sentBytes, receivedBytes int64
	sentSHA, receivedSHA     hash.Hash
}

func newReport(w io.Writer, gap time.Duration) *report {
	return &report{gap: gap, out: json.NewEncoder(w), sentSHA: sha256.New(), receivedSHA: sha256.New()}
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (r *report) printLocked(e event) {
	e.Time, e.Sent, e.Received = seconds(time.Now()), r.sentBytes, r.receivedBytes
	r.out.Encode(e)
}

func (r *report) listening(l net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printLocked(event{Event: "listening", Local: l.Addr().String()})
}

func (r *report) connected(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printLocked(event{Event: "connected", Local: c.LocalAddr().String(), Remote: c.RemoteAddr().String()})
}

// sent and received hash outside of the lock: each direction has its own hash.
func (r *report) sent(block []byte) {
	r.sentSHA.Write(block)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sentBytes += int64(len(block))
	r.progressLocked()
}

func (r *report) received(block []byte) {
	r.receivedSHA.Write(block)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.receivedBytes += int64(len(block))
	if !r.in.IsZero() && now.Sub(r.in) > r.gap {
		r.printLocked(event{Event: "gap", Since: seconds(r.in)})
	}
	r.in = now
	r.progressLocked()
}

func (r *report) progressLocked() {
	if now := time.Now(); now.Sub(r.last) >= progressEvery {
		r.last = now
		r.printLocked(event{Event: "progress"})
	}
}

// end prints the sums. Nobody may be sending or receiving any more.
func (r *report) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := event{
		Event:       "end",
		SentSHA:     fmt.Sprintf("%x", r.sentSHA.Sum(nil)),
		ReceivedSHA: fmt.Sprintf("%x", r.receivedSHA.Sum(nil)),
	}
	if err != nil {
		e.Error = err.Error()
	}
	r.printLocked(e)
}
