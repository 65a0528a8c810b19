package survey

import (
	"fmt"
	"net/netip"
)

// Options say what is known beforehand.
type Options struct {
	Root int   // the root of the group's tree: must be a session leader
	Pids []int // all processes of the group, as its cgroup lists them; children that come later are found

	// OurSocket says which inet sockets are on legs or are private listeners: the caller saves them.
	// It is called for each descriptor of one until it says yes; nil means none.
	OurSocket func(pid, fd int, inode uint64) bool

	// Replaces says which pipes and Unix sockets to the outside, by [Outside.Key], the caller gives
	// a new other end, beside the pipes at descriptors 0 to 2 of Root; nil means none.
	Replaces func(key string) bool

	Terminal uint64 // rdev of the pty whose master is held for the group; 0: none

	// What is to be done with open ordinary connections. Unless they are to be saved, they
	// are closed on restore, and only reported.
	TCPEstablished, TCPClose bool

	GhostLimit int64 // most bytes of a deleted file; 0: 512 MiB
	Frozen     bool  // the group is frozen: it says nothing that a process waits in the kernel
}

// defaultGhostLimit is for Options.GhostLimit.
const defaultGhostLimit = 512 << 20

// Survey is what was found.
type Survey struct {
	Processes []Process    // Root first
	Files     []File       // open and mapped files and folders: one for each file and way to open it
	Outside   []Outside    // pipes and Unix sockets with their other end outside of the group
	Ordinary  []Connection // open ordinary TCP connections
	Listeners []Listener   // ports that must be free for a restore, those of our sockets left out
	Terminals []Terminal
	PTYs      []int     // numbers of the terminals whose masters the group has, in order
	Memory    int64     // bytes that a dump takes, at most
	Problems  []Problem // a checkpoint or its restore will fail
	Warnings  []Problem // it may fail, or something will be lost
}

// Process is a process of the group.
type Process struct {
	PID, Parent, Group, Session int
	Name                        string
	State                       byte // as in proc_pid_stat(5)
	Exe                         File // zero for a zombie
	Threads                     []int
	Tracer                      int    // of any of its threads; 0: none
	Filters                     int    // seccomp filters: the most that a thread has
	Terminal                    uint64 // rdev of the controlling terminal; 0: none
	Cwd, Root                   string
	Namespaces                  map[string]uint64 // by the names in /proc/PID/ns
	Memory                      int64             // private memory, swapped out or not
}

// Kind says how a file is used.
type Kind string

// Kinds of files. The size of a file matters for a restore, except for KindAppend and KindDirectory.
// A deleted file becomes part of the image.
const (
	KindExe       Kind = "exe"
	KindLib       Kind = "lib" // mapped ELF file
	KindRegular   Kind = "regular"
	KindAppend    Kind = "append" // open with O_WRONLY and O_APPEND, as a log file
	KindDeleted   Kind = "deleted"
	KindDirectory Kind = "directory"
)

// File is an open or mapped file.
type File struct {
	Path    string
	Size    int64  // of a deleted file: what it takes on disk
	Mode    uint32 // as in stat(2)
	Kind    Kind
	BuildID string // of a mapped ELF file that has one, in hexadecimal
	PID     int    // one that has it
	FD      int    // -1: mapped, or the working directory or root of it
	Pos     int64
	Flags   int // of open(2)
}

// Outside is a pipe or a Unix socket whose other end is outside of the group.
type Outside struct {
	Key     string // CRIU's name of it: "pipe:[inode]", "socket:[inode]"; the path of a FIFO
	PID, FD int    // one that has it: Root if its descriptors 0 to 2 are among them
	Write   bool   // the group writes to it; a socket is for both
	Fifo    bool   // it has a name
}

// Connection is an open TCP connection.
type Connection struct {
	Local, Remote netip.AddrPort
	State         string // as ss(8) has it
	PID, FD       int    // one that has it
	Inode         uint64
}

// Listener is a socket that has a port of its own.
type Listener struct {
	Network string // tcp, udp or udplite
	Address netip.AddrPort
	Listens bool // it is a listening TCP socket
	PID, FD int  // one that has it
	Inode   uint64
}

// Terminal is an open terminal.
type Terminal struct {
	Path    string
	Device  uint64 // rdev
	PID, FD int
	Ours    bool // it is Options.Terminal
	Inside  bool // its master is in the group
}

// Problem is a reason why a checkpoint, or the restore of it, fails, with its remedy.
type Problem struct {
	PID     int    // 0: no process in particular
	Process string // its name
	What    string // goes on the sentence that the process begins
	Remedy  string
}

// String is one line.
func (p Problem) String() string {
	s := p.What
	if p.PID != 0 {
		s = fmt.Sprintf("%s (pid %d) %s", p.Process, p.PID, p.What)
	}
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}
