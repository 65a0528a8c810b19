// Package lab gives tests several hosts on one machine. Hosts are network
// namespaces; scripts/lab, which draws the topology, makes and removes them, and
// the functions here call it, so that what a test does a person can do by hand.
//
//	l := lab.New(t)                         // removed when t ends
//	cmd := l.A.Command("curl", "http://"+l.B.Addr(1).String())
//	l.A.Unplug(1)                           // pull A's cable to router r1
//	l.A.Plug(1)
//	l.A.ChangeAddr(1)                       // 10.1.1.2 becomes 10.1.1.3
//	l.InjectRST(1)                          // cut what runs over path 1
//
// Hosts share processes and files with the machine, and differ in their network only, unless the lab is made with
// Apart: then a host is what a machine is, and what moves from one to another finds its process ids free.
//
// Whoever makes things happen in a lab does it from one goroutine at a time.
// Root is needed: without it New skips the test, or fails it if the environment
// has ROCK_TEST_STRICT=1.
package lab
