package interpose

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRhythm looks often at first and when it is stirred, and seldom when nothing happens for long.
func TestRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRhythm(25*time.Millisecond, 400*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		due := func(want time.Duration) {
			t.Helper()
			if !r.next(ctx) {
				t.Fatal("it has ended")
			}
			if got := time.Since(began); got != want*time.Millisecond {
				t.Errorf("looked after %v, want %v", got, want*time.Millisecond)
			}
			began = time.Now()
		}
		for _, want := range []time.Duration{25, 50, 100, 200, 400, 400} {
			due(want)
		}
		time.AfterFunc(10*time.Millisecond, r.stir)
		for _, want := range []time.Duration{10 + 25, 50, 100} {
			due(want)
		}
		// Whoever stirs all the time does not keep it from looking.
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					r.stir()
				}
			}
		}()
		for range 5 {
			before := time.Now()
			if r.next(ctx); time.Since(before) > 55*time.Millisecond {
				t.Errorf("looked after %v while something happened", time.Since(before))
			}
		}
		close(stop)
		cancel()
		for i := 0; r.next(ctx); i++ { // one value may have been there already
			if i > 0 {
				t.Fatal("it goes on behind its end")
			}
		}
	})
}
