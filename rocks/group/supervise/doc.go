// Package supervise is the supervisor's life: it starts the command under the seccomp filter (package
// interpose), tells the front how it fares, registers the group, answers on its control socket,
// adopts and buries the group's orphans, and leaves when no process of the group is left and
// what they wrote last has been delivered.
//
//	Run ── receives the plan from the front
//	    ── launch: registers, starts the command             launch.go
//	       or restores the group from an image               restore.go
//	    ── serves the control socket, makes checkpoints      answers.go, checkpoint.go
//	    ── watches the command, its orphans and the front    watch.go, children.go
//	    ── lingers until the flight logs are delivered       supervisor.go
//
// Should it die, another goes on in its place (succession.go, heir.go):
//
//	Inherit ── takes over what it has left; closes the rest  heir.go
//	        ── goes on with listeners, legs and rocks        package interpose
//	        ── does as above from the control socket on; the front waits for the command
//
// What checkpoints need of package ckpt, which is above this one, comes through the interfaces in checkpointer.go.
//
// The supervisor has a process group of its own in the front's session, so that the terminal does
// not reach it; if the command has a session of its own, because it is checkpointable, the supervisor
// has one too. SIGTERM tells it to be brief: it then waits for the group as before, but no
// longer for peers that do not answer.
package supervise
