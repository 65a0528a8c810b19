package image

import (
	"time"
)

// Names of files in an image that are ours.
const (
	ManifestFile = "manifest.msgpack"
	RocksFile    = "rocks.msgpack" // state of the rocks and of the sockets that carry them
	ClaimFile    = "restored"      // see [Image.Claim]
)

// Version is the version of images that this package writes, and the only one that it reads.
const Version = 1

// Manifest says what is in an image and where it comes from. It holds neither keys nor payload.
type Manifest struct {
	Created   time.Time    `msgpack:"created"` // Commit sets it if it is zero
	Rock      string       `msgpack:"rock"`    // version of the program that made the image
	CRIU      string       `msgpack:"criu"`    // version of the CRIU that made the dump
	Host      Host         `msgpack:"host"`
	Group     Group        `msgpack:"group"`
	Root      int          `msgpack:"root"` // pid of the root of the tree
	Processes []Process    `msgpack:"processes,omitempty"`
	Files     []File       `msgpack:"files,omitempty"`
	Listeners []Listener   `msgpack:"listeners,omitempty"`
	Ordinary  []Connection `msgpack:"ordinary,omitempty"`
	Rocks     []Rock       `msgpack:"rocks,omitempty"`
	Terminal  *Terminal    `msgpack:"terminal,omitempty"` // nil: the group has none of ours
	PTYs      []int        `msgpack:"ptys,omitempty"`     // numbers of those whose masters are in the group, as N of /dev/pts/N: free for a restore
	Outside   []Outside    `msgpack:"outside,omitempty"`
	Options   Options      `msgpack:"options"`
	Stats     Stats        `msgpack:"stats"`
	Sums      []Sum        `msgpack:"sums"` // all other files of the image, by name; Commit makes it
}

// Host is where the image was made.
type Host struct {
	Name    string `msgpack:"name"`
	Machine string `msgpack:"machine"` // /etc/machine-id
	Boot    string `msgpack:"boot"`    // /proc/sys/kernel/random/boot_id
	Kernel  string `msgpack:"kernel"`  // release, as of uname -r
	Arch    string `msgpack:"arch"`    // as of uname -m
	CPU     string `msgpack:"cpu"`     // model name

	// What programs may rely on as long as they run. Images of earlier versions of this program do not have it.
	Features []string `msgpack:"features,omitempty"`  // names of the instructions that its CPU has, in order
	PageSize int      `msgpack:"page_size,omitempty"` // bytes
}

// Group is the group that the image is of.
type Group struct {
	ID      string    `msgpack:"id"`
	Name    string    `msgpack:"name"`              // "" for none
	Command []string  `msgpack:"command,omitempty"` // name and arguments
	Dir     string    `msgpack:"dir"`               // where it was started
	Started time.Time `msgpack:"started"`
}

// Process is a process of the group. Its ids must be free for a restore.
type Process struct {
	PID     int    `msgpack:"pid"`
	PPID    int    `msgpack:"ppid"`
	PGID    int    `msgpack:"pgid"`
	SID     int    `msgpack:"sid"`
	Name    string `msgpack:"name"`
	Exe     string `msgpack:"exe"`     // path; "" for a zombie
	Threads int    `msgpack:"threads"` // how many
	State   string `msgpack:"state"`   // one letter, as in proc_pid_stat(5)
}

// File is a file that a process has open, mapped or as a directory of its own. It must be there for a restore.
type File struct {
	Path    string `msgpack:"path"`
	Size    int64  `msgpack:"size"` // bytes
	Mode    uint32 `msgpack:"mode"` // as in stat(2)
	Kind    string `msgpack:"kind"` // as ckpt/survey has them: regular, exe, lib, append, deleted, directory
	BuildID string `msgpack:"buildid,omitempty"`
	PID     int    `msgpack:"pid"`   // one that has it
	FD      int    `msgpack:"fd"`    // -1: it is mapped, or the working directory or root
	Pos     int64  `msgpack:"pos"`   // bytes
	Flags   int    `msgpack:"flags"` // as of open(2)
}

// Listener is a public TCP listener: its address must be free for a restore.
type Listener struct {
	Address string `msgpack:"address"` // and port
	PID     int    `msgpack:"pid"`     // one that has it
	FD      int    `msgpack:"fd"`
}

// What becomes of an ordinary connection.
const (
	FateClosed = "closed" // the program finds it closed after a restore
	FateKept   = "kept"   // CRIU restores it, if the local address is the same
)

// Connection is an ordinary TCP connection that was open.
type Connection struct {
	Local  string `msgpack:"local"` // address and port
	Remote string `msgpack:"remote"`
	PID    int    `msgpack:"pid"` // one that has it
	FD     int    `msgpack:"fd"`
	Fate   string `msgpack:"fate"` // FateClosed or FateKept
}

// Rock is what can be told of a rock. Its state is in [RocksFile].
type Rock struct {
	ID       string `msgpack:"id"`    // 32 hexadecimal digits
	Role     string `msgpack:"role"`  // client or server
	State    string `msgpack:"state"` // before the checkpoint: established, suspended, connecting or closed
	Local    string `msgpack:"local"` // address and port, as the program sees them
	Remote   string `msgpack:"remote"`
	Epoch    uint32 `msgpack:"epoch"`
	Sent     uint64 `msgpack:"sent"`      // bytes that the program has written since the birth of the rock
	Received uint64 `msgpack:"received"`  // bytes that came from the peer since then
	InFlight int64  `msgpack:"in_flight"` // bytes written and not acknowledged
	Unread   int64  `msgpack:"unread"`    // bytes received and not read by the program
}

// Terminal is the group's terminal, whose master rock held.
type Terminal struct {
	Key     string `msgpack:"key"` // CRIU's external key, as "tty[8803:1]"
	Rows    uint16 `msgpack:"rows"`
	Cols    uint16 `msgpack:"cols"`
	Termios []byte `msgpack:"termios"` // struct termios of TCGETS, as the kernel has it
}

// Outside is a descriptor whose other end was outside of the group: a restore hands in a new one.
type Outside struct {
	Key   string `msgpack:"key"`   // CRIU's key for inherit_fd, as "pipe:[123]"
	FD    int    `msgpack:"fd"`    // which standard stream of the root it was: 0 to 2
	Write bool   `msgpack:"write"` // the group writes to it
}

// Options are those of the checkpoint.
type Options struct {
	TCPClose       bool `msgpack:"tcp_close"`
	TCPEstablished bool `msgpack:"tcp_established"`
	LeaveRunning   bool `msgpack:"leave_running"`
}

// Stats say what the checkpoint took, up to the moment when the manifest was written.
type Stats struct {
	FrozenMicros  int64 `msgpack:"frozen_us"`  // the group stood still; µs
	CRIUMicros    int64 `msgpack:"criu_us"`    // CRIU ran, up to its post-dump notification; µs
	QuiesceMicros int64 `msgpack:"quiesce_us"` // connections were drained and exported; µs
	Pages         int64 `msgpack:"pages"`      // that CRIU wrote
	PageBytes     int64 `msgpack:"page_bytes"`
	DrainedBytes  int64 `msgpack:"drained_bytes"` // taken out of the queues of sockets
	Sockets       int   `msgpack:"sockets"`       // that were drained
}

// Sum is a file of the image.
type Sum struct {
	Name string `msgpack:"name"`
	Size int64  `msgpack:"size"` // bytes
	Sum  uint64 `msgpack:"sum"`  // XXH3, see ckpt/FORMAT.md
}
