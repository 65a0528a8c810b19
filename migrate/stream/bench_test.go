package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// memory is like that of a process: words that repeat, small numbers, pointers, gaps.
func memory(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		switch rng.IntN(4) {
		case 0:
			b = binary.LittleEndian.AppendUint64(b, 0x7f0000000000|uint64(rng.IntN(1<<20))<<4)
		case 1:
			b = binary.LittleEndian.AppendUint64(b, uint64(rng.IntN(1000)))
		case 2:
			b = append(b, "some text that a program has in it "[:8+rng.IntN(26)]...)
		case 3:
			b = append(b, make([]byte, 8*rng.IntN(6))...)
		}
	}
	return b[:n]
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// processorTime is what this process has used: unlike the time on a clock it says something on a busy machine.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSendFile sends 64 MiB from memory through a pipe to a receiver that drops it. Both ends count.
func BenchmarkSendFile(b *testing.B) {
	const size = 64 << 20
	mixed := append(append(append(make([]byte, size/4), memory(size/4)...), random(size/4)...), memory(size/4)...)
	for _, data := range []struct {
		name string
		b    []byte
	}{{"memory", memory(size)}, {"random", random(size)}, {"zero", make([]byte, size)}, {"mixed", mixed}} {
		b.Run(data.name, func(b *testing.B) {
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			source, target := New(nil, w), New(r, nil)
			done := make(chan error)
			go func() {
				for {
					if _, err := target.Receive(); err != nil {
						done <- err
						return
					}
				}
			}()
			b.SetBytes(size)
			begin := processorTime(b)
			for b.Loop() {
				if _, err := source.SendFile(b.Context(), 1, bytes.NewReader(data.b), nil); err != nil {
					b.Fatal(err)
				}
			}
			used := processorTime(b) - begin
			w.Close()
			if err := <-done; !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			s := source.Stats()
			b.ReportMetric(float64(s.SentWire)/float64(s.Sent)*100, "%wire")
			b.ReportMetric(float64(s.Sent)/1e6/used.Seconds(), "MB/cpu-s")
		})
	}
}
