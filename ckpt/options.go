package ckpt

import (
	"fmt"
	"os"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"google.golang.org/protobuf/proto"
)

// ghostLimit bounds the deleted files that become part of an image, in bytes each.
const ghostLimit = 512 << 20

// logLevel is that of CRIU's log: errors and warnings, which explain a failure. More costs time.
const logLevel = 2

// criuOptions says how to dump. The sockets on legs are closed ones to CRIU, so it neither has to save
// connections nor to lock the network, unless the user wants ordinary ones saved.
func (c *checkpoint) criuOptions(work *os.File) *rpc.CriuOpts {
	o := &rpc.CriuOpts{
		ImagesDirFd:       proto.Int32(int32(c.draft.File().Fd())),
		WorkDirFd:         proto.Int32(int32(work.Fd())),
		Pid:               proto.Int32(int32(c.subject.Root)),
		LogLevel:          proto.Int32(logLevel),
		LeaveRunning:      proto.Bool(c.options.LeaveRunning),
		FreezeCgroup:      proto.String(c.subject.Cell.Path()),
		FileLocks:         proto.Bool(true),
		LinkRemap:         proto.Bool(true),
		ExtUnixSk:         proto.Bool(true),
		GhostLimit:        proto.Uint32(ghostLimit),
		ManageCgroups:     proto.Bool(true),
		ManageCgroupsMode: rpc.CriuCgMode_IGNORE.Enum(),
	}
	setTCP(o, c.options.TCPEstablished)
	if t := c.terminal; t != nil {
		o.External = append(o.External, t.Key)
	}
	return o
}

// setTCP says what CRIU does about TCP connections, in a dump as in the restore.
func setTCP(o *rpc.CriuOpts, established bool) {
	if established {
		o.TcpEstablished = proto.Bool(true)
		o.NetworkLock = rpc.CriuNetworkLockMethod_NFTABLES.Enum()
		return
	}
	o.TcpClose = proto.Bool(true)
	o.TcpSkipInFlight = proto.Bool(true)
	o.NetworkLock = rpc.CriuNetworkLockMethod_SKIP.Enum()
}

// terminalKey is CRIU's name of a terminal whose master is outside of the tree.
func terminalKey(rdev, dev uint64) string { return fmt.Sprintf("tty[%x:%x]", rdev, dev) }
