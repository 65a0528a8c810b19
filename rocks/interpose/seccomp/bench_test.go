package seccomp_test

import (
	"fmt"
	"testing"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

// BenchmarkContinue measures a trapped call that is continued: what every socket
// that is none of ours pays.
func BenchmarkContinue(b *testing.B) {
	for _, sync := range []bool{false, true} {
		for _, polling := range []bool{false, true} {
			b.Run(fmt.Sprintf("sync=%v/polling=%v", sync, polling), func(b *testing.B) {
				p := seccomptest.Start(b, "bench")
				if err := seccomp.SetSyncWakeup(p.Listener, sync); err != nil {
					b.Skip(err)
				}
				if polling {
					seccomp.SetPolling(p.Listener)
				}
				p.Serve(1, func(c seccomp.Call) { _ = p.Listener.Continue(c) })
				b.ResetTimer()
				p.Say(fmt.Sprint(b.N))
				p.Line()
				b.StopTimer()
				p.Succeed()
			})
		}
	}
}
