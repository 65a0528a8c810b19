// Package stream carries messages and files between the two ends of a migration over any byte stream, such as
// the pipes to an ssh. What travels is compressed where that pays, and has checksums.
//
// Each end makes a [Conn] and calls [Conn.Hello], which finds out whether the other end is one at all. From then
// on both may send at any time: messages, which are values in MessagePack under a kind that is the
// caller's, and files, cut into chunks. A file may be sent while it is still being written. One goroutine
// at each end receives.
//
// Messages and the chunks of one [Conn.SendFile] after the other arrive in the order of the calls. Chunks of one
// call arrive in any order, since they are compressed on several processors; each has its offset.
//
// FRAMES.md has the layout of every byte. It is strict: lengths are checked before anything is allocated, and
// what is not exactly as it should be is a [*FrameError], after which the stream is of no use.
//
// A Conn does not own the two halves of its transport. To stop whatever waits on it, close them.
package stream
