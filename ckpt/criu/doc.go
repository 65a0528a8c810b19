// Package criu runs one operation of CRIU over its RPC socket, and explains its
// failures.
//
// Use: [Find] finds the executable, [Tool.Usable] says whether it works on this
// kernel, [Tool.Dump] and [Tool.Restore] do the work. The options are those of
// CRIU's RPC (go-criu's package rpc); the caller sets what to dump and where the
// images are, this package sets what every operation needs. A [Hook] is called
// at CRIU's notifications, in the midst of the operation, which waits for it.
//
//	tool, err := criu.Find(os.Getenv)
//	...
//	_, err = tool.Dump(ctx, &rpc.CriuOpts{
//		Pid:         proto.Int32(pid),
//		ImagesDirFd: proto.Int32(int32(dir.Fd())),
//	}, func(e criu.Event) error {
//		if e.Script == criu.PostDump {
//			return keep(dir) // an error lets the processes run on
//		}
//		return nil
//	})
//
// Each operation starts a CRIU of its own ("criu swrk 3"), which ends with it. No
// configuration file and no environment variable of CRIU's changes what it does.
//
// A failure is an [*Error]. Its cause and remedy come from CRIU's log, by the
// table in explain.go, because the text that CRIU sends over the socket is the
// first line that it logged as an error, and without CAP_SYS_RESOURCE that is
// always one about RLIMIT_NOFILE which does no harm.
//
// This is a client of its own and not go-criu's type Criu, because that one drops
// the pid that a restore returns, reads at most 8 KiB of a message, loses the
// descriptor that comes with one, and neither knows of all notifications nor lets
// the caller start CRIU itself.
package criu
