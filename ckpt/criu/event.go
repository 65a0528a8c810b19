package criu

import "os"

// Names of notifications, in the order in which they come. The ones around
// namespaces come only if the tree has its own.
const (
	PreDump         = "pre-dump"         // nothing is stopped yet
	NetworkLock     = "network-lock"     // tasks are stopped
	QueryExtFiles   = "query-ext-files"  // likewise
	PostDump        = "post-dump"        // images are written (not synced), tasks are stopped
	PreRestore      = "pre-restore"      // there is no task yet
	SetupNamespaces = "setup-namespaces" // the root task is being made; with its pid
	PostSetupNS     = "post-setup-namespaces"
	OrphanPTSMaster = "orphan-pts-master" // with a File
	PostRestore     = "post-restore"      // tasks are whole and wait; with the root's pid
	NetworkUnlock   = "network-unlock"
	PreResume       = "pre-resume"  // tasks are stopped by ptrace
	PostResume      = "post-resume" // tasks run
)

// Event is a notification of CRIU's.
type Event struct {
	Script string
	PID    int      // of the root task, 0 if the notification has none
	File   *os.File // only of orphan-pts-master: the master of a new terminal, the hook's to close
}

// Hook is called at each notification, one at a time, by the goroutine that called
// Dump or Restore; CRIU waits until it has returned. An error fails the operation
// and is wrapped by what Dump or Restore return: a refused dump lets the tasks run
// on, a refused restore kills what it has made. But errors of network-unlock,
// pre-resume and post-resume only appear in CRIU's log, as the tasks are past
// return then; orphan-pts-master's lets CRIU try another way.
//
// A hook must not outlast the context of the operation: CRIU is killed when that
// is done, but the hook is waited for.
type Hook func(Event) error
