package front

import (
	"context"
	"net/netip"
	"os"
	"time"

	"rock/rocks/group"
	"rock/rocks/group/stage"
)

// RestoreOptions say what to restore, and how.
type RestoreOptions struct {
	Dir       string                  // of the image, absolute
	Localhost bool                    // suspended rocks look for their peers on this host too
	Detach    bool                    // no front remains
	Timeout   time.Duration           // of rocks that are suspended, 0 as configured
	Log       *os.File                // for the supervisor, nil for none; Restore closes it
	Warn      func(string)            // gets lines for the user, before the restored processes run
	Progress  func(group.Progress)    // is told how far it is, the last time with the phase "run"; nil if nobody asks
	Rescue    func(cell string) error // see Options
	PTYs      []int                   // numbers of terminals, as N of /dev/pts/N, that the restored processes need themselves
	Extra     []byte                  // more for the supervisor, as stage.Restore.Options has it
	// Prepare is called when the supervisor is started, which takes a while, and waits for what to do: when it returns nil the image is
	// there. An error gives the restore up. A signal that ends programs ends its context, whose cause tells the signal. nil:
	// the image is there.
	Prepare func(ctx context.Context) error
	// Ready is called when all is restored and does not run yet, with the addresses where peers find it. An error gives the restore
	// up, and Restore returns when nothing is left of it; so does the death of this process. nil: nothing is waited for.
	Ready func(resume []netip.AddrPort) error
}

// Restore is like [Run], for a group that is restored from an image. With Detach it
// returns when the group runs, with a status of 0: the supervisor lives on alone, and reads and discards
// what the group shows on the terminal that it gets.
func Restore(o RestoreOptions) (Result, error) {
	return run(job{
		log: o.Log, warn: o.Warn, rescue: o.Rescue, progress: o.Progress, avoid: o.PTYs, prepare: o.Prepare, ready: o.Ready,
		plan: stage.Plan{
			Timeout: o.Timeout, Detached: o.Detach, Localhost: o.Localhost,
			Restore: &stage.Restore{Dir: o.Dir, Hold: o.Ready != nil, Options: o.Extra},
		},
	})
}
