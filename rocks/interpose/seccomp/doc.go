// Package seccomp starts a program under a seccomp filter that hands the
// program's socket calls to this process, and answers them.
//
// Use: [Probe] tells whether this machine allows it and why not. [Start] starts
// a command under the filter and returns its [Listener]. One or more goroutines
// started by [Locked] then call [Listener.Receive] in a loop and answer each
// [Call] exactly once: [Listener.Continue] (the kernel executes the call as if
// nothing had happened), [Listener.Return], [Listener.Fail], [Listener.AddFD]
// or [Listener.Restart]. Receive says [ErrEnded] when no task of the group is
// left.
//
//	p, l, err := seccomp.Start(seccomp.Process{Path: "nc", Args: args, Files: files})
//	...
//	seccomp.Locked(func() {
//		for {
//			c, err := l.Receive()
//			if err != nil {
//				return // ErrEnded
//			}
//			l.Continue(c)
//		}
//	})
//
// How it works. Go cannot run code between fork and exec, so the filter is
// installed on one thread of this process that is locked to a goroutine and
// never given back; the command is forked from that thread and inherits the
// filter, and the thread dies. The listener is born in this process: nothing is
// passed, no environment variable is added, no second exec is needed.
//
// This is a tool for compatibility, not a sandbox: what is answered with
// Continue is read again by the kernel from memory that the program can change
// meanwhile (seccomp_unotify(2)). Programs of a foreign architecture (i386, x32,
// 32-bit arm) run without interposition.
package seccomp
