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
// The front also holds a duplicate of the seccomp listener. If the supervisor dies
// it starts a keeper, which lets the kernel execute every trapped call from then on, adopts the
// command, and goes on as before.
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
package front
