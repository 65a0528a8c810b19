// Package rockstest is a network in memory, for tests of whatever takes a
// [rocks.Network]. It fails on command, and with the testing/synctest package
// days of outage take no time and durations are exact.
//
//	n := rockstest.New(rockstest.Config{Latency: 10 * time.Millisecond})
//	defer n.Close()
//	a, b := n.Host("a", "10.0.0.1"), n.Host("b", "10.0.0.2")
//	server, err := rocks.NewEndpoint(rocks.Config{Network: b})
//	...
//	n.Path(a, b).Cut()                      // a cable is pulled, far away
//	time.Sleep(time.Hour)
//	n.Path(a, b).Heal()
//	a.SetAddr("eth0", "10.0.9.9")           // a local event: Watch tells of it
//
// A [Host] is a rocks.Network. All hosts can reach each other unless something
// is in the way: a [Path] between two hosts or two addresses that is cut, an
// interface that is down, an address that is gone, a [Firewall], a [NAT].
//
// # What connections do
//
// Connections behave as TCP of the Linux kernel does, so far as a program and
// its peer can tell:
//
//   - Bytes arrive in order, after the latency of the path, limited by its
//     bandwidth, by the sender's and by the receiver's buffer.
//   - What is lost is sent again after 200 ms, then after twice as long each
//     time; a path that heals is thus noticed late. After 15 times the
//     connection fails with ETIMEDOUT. A SYN is sent again after 1 s, then
//     doubling; a Dial gives up after 6 times.
//   - FIN and RST are carried as such. Closing with unread input resets, and so
//     does sending to an end that is closed. A reset is sent once: if it is lost,
//     the other end finds out only when it sends. Input that came before a
//     reset is still read.
//   - An address that is taken away, or an interface that goes down, does not end
//     the connections that use it: they fall silent.
//   - A SYN carries its MSS, which a path may clamp. The accepted end knows it.
//
// Nothing is lost at random and there is no congestion control. Ports and
// jitter come from a generator with a given seed. Goroutines that become ready
// at the same virtual time run in the scheduler's order, so that a run is not
// repeated exactly; tests assert what holds in every order.
//
// # Cutting at a byte
//
// [Config.OnConnect] sees every connection as it is made, as a [Wire], and may
// order it to break after a number of bytes in one direction:
//
//	OnConnect: func(w *rockstest.Wire) {
//		if w.Index == 3 {
//			w.CutAfter(rockstest.ToServer, 17, rockstest.Silence)
//		}
//	}
//
// Everything is built from channels, conditions and timers, never from real I/O,
// so that synctest sees when all goroutines wait. No goroutine belongs to a
// connection; those of [Host.Serve] end with [Net.Close].
package rockstest
