// Package survey looks at the processes of a group: what they have open, and what of it cannot
// be checkpointed, or not be restored. CRIU stops at the first thing that it does not like, with a line in its
// log; here all of them come at once, before anything is stopped, each with what can be done about it.
//
//	Take ── processes: the tree, its sessions, threads, namespaces   tree.go, process.go, judge.go
//	     ── descriptors: files, devices, anonymous inodes            descriptor.go, device.go, anon.go
//	     ── pipes and sockets, whose other end may be outside        pipe.go, socket.go, inet.go, unix.go
//	     ── mappings and memory                                      maps.go
//
// For a restore there are [Free] and [CheckFiles], for both [Capabilities].
//
// The processes may run meanwhile. What has gone before it was looked at is left out; that is no error.
// Nothing is changed, but for the moment of a system call this process holds duplicates of their sockets and
// pipes. What is out of sight: file locks of others, and a pipe of which
// the group has both ends and somebody else one too.
package survey
