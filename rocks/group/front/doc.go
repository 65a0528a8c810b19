// Package front is the process that the user starts. It looks to its parent, a
// shell for instance, like the command itself: it stops, continues and ends as the
// command does, and what is sent to it reaches the command.
//
// The command belongs to the front's process group but is a child of the supervisor.
// So what the terminal or somebody else sends to the whole group reaches the command
// by itself, and what is sent to the front alone is passed on; a child of the front,
// the witness, tells the two apart. Everything the user gave (descriptors, signal
// mask and dispositions, environment, limits) reaches the command as it was.
//
// If the supervisor dies another goes on in its place, its heir (package supervise), but is not the command's parent: the front is from then on,
// and tells the heir what it learns by waiting. The front also holds a duplicate of the seccomp listener. If there is no heir it
// starts a keeper, which lets the kernel execute every trapped call from then on, and goes on as before.
//
// A command that can be checkpointed leads a session of its own (session.go), since CRIU takes no part of a
// session. It is not in the front's process group, and so gets all signals from the front. Where the user has a
// terminal it has a console, a pseudo-terminal whose other side the front carries (console.go, carry.go): the
// user's terminal is raw while the front is in the foreground, so that keys act on the console. The front
// puts it back whenever it stops or ends.
//
// What differs from a command without rock, by construction:
//   - SIGSTOP sent to the front alone stops the front only; nobody can see it come. To the
//     process group, which is what shells do, it stops all.
//   - SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGCHLD, SIGURG, SIGPROF and the
//     signals 32 to 34 sent to the front alone are not passed on.
//   - SIGKILL sent to the front alone kills the command too (the supervisor sees to it).
//   - Signals of one kind that follow each other within microseconds may count as one,
//     as always, or rarely as one more.
//   - A signal to the process group within the millisecond in which the command starts may reach
//     it twice.
//   - Who signals every single process of a control group (systemd) signals front and
//     command; mostly, not always, it is seen that the witness got the signal too.
//   - Times of children, as the shell's time shows them, leave the command out.
//   - The command is not the leader of its process group, whose number is the front's
//     pid, so setsid(2) succeeds in it where it would have failed.
//   - In a process group that is orphaned without rock (no shell watches it), reading from
//     the terminal in the background stops the command instead of failing with EIO.
//   - A command that dumps core does so once; the front reports the signal without
//     "core dumped".
//   - Descriptors 0 to 2 that are closed are /dev/null in the command.
//
// And for a command in a session of its own:
//   - Its process group is orphaned for the kernel, so SIGTSTP and its like do not stop it. The front stops it by
//     SIGSTOP instead if it would have stopped, also for Ctrl-Z; but a program that first does something else, as editors
//     do, and then stops itself, does not stop.
//   - In the background it is not stopped for reading from its terminal: it waits until the front is in the foreground, and
//     what was typed then comes. Nor is it stopped for writing (stty tostop).
//   - SIGSTOP to the front's process group stops the front, and the command only when its terminal is full.
//   - What is typed is for the command from the start, though it may never read, and what it has not read
//     when it ends is lost. Only a command whose standard input is the terminal gets keys: not the last of a pipeline.
//   - Another program of the pipeline that reads from the terminal itself (rock -k a | less) competes with the front.
//   - When it ends, those that it leaves behind on its terminal are hung up by the kernel, as on leaving ssh.
//   - When the user's terminal is gone it gets SIGHUP as ever. If it ignores that, what it writes is discarded, and a read waits.
//   - SIGKILL sent to the front alone leaves the user's terminal raw; shells put it right, or stty sane does.
package front
