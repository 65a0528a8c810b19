// Package interpose puts the TCP connections of unmodified programs on rocks.
//
// Start launches a command under a seccomp filter (package seccomp) that
// notifies the calls which make or name connections; the data path is never
// trapped. What a program sends goes this way:
//
//	program's own socket --leg--> supervisor --rock--> peer's supervisor --leg--> peer's program
//
// A leg is a loopback TCP connection whose one end is the very socket that the
// program made: the same open file description, so its epoll registrations,
// options and duplicates hold, in all processes that share it. The other end
// is the supervisor's, which copies between it and the rock (leg.go).
//
// Client side (connect.go, dial.go, reach.go): an unknown peer is asked first
// whether it has rocks (package detect). An ordinary one gets the connection
// as it is. While the supervisor dials, a program that must not be blocked
// sees its socket in SYN_SENT (hold.go).
//
// Server side (listener.go, admit.go, accept.go): the supervisor listens in
// the program's place and rings a private listener for each connection that is
// ready: a rock as a leg, an ordinary connection as the raw socket.
//
// Names (names.go): getsockname, getpeername and accept tell the addresses
// that the connection would have without us.
//
// Checkpoints: Suspend brings everything to rest while the group is frozen (suspend.go, park.go,
// drain.go, recall.go, dialling.go), describes it (describe.go, STATE.md), and puts it together
// again. For processes that were restored Recreate serves their calls, and Adopt connects their
// sockets anew (recreate.go, adopt.go, rebind.go).
//
// Heirs: what another supervisor needs should this one die is in an estate (keep.go, keep_park.go, keep_listener.go, keep_dial.go; package
// estate). Inherit goes on with it (legacy.go, position.go, standing.go, inherit.go, inherit_calls.go): the legs stay as they are.
//
// Everything that is not understood is left to the kernel, and the connection
// is an ordinary one. This is a tool for compatibility, not a boundary: a
// program that wants to escape interposition can.
//
// What a program can still notice: TCP_INFO, SIOCOUTQ, IP_MTU and the like
// describe the leg; urgent data arrives in line; /proc/net/tcp and ss show the
// leg, and the rock's link as the supervisor's.
package interpose
