// Package ckpt writes a supervised group into an image, and brings it back.
//
// An [Engine] is the supervisor's [supervise.Checkpointer]. A checkpoint goes like this:
//
//	look      every problem that can be foreseen is reported, all at once (preflight.go)
//	freeze    the group stands still; calls that the supervisor holds come again later
//	quiesce   what is under way in legs goes into the state, rocks are sealed
//	dump      CRIU writes the processes; their sockets are closed ones to it
//	keep      our filter is cut out of the images, rocks.msgpack and the manifest are written,
//	          everything is made durable and gets its name
//	end       CRIU kills the processes; or with "leave running" all of it is undone
//
// Whatever fails before the image has its name leaves the group running with its rocks, and no
// image. A restore goes the other way:
//
//	check     the image is whole, was not restored before, and this host has what it needs
//	ask       the peers of the rocks say whether they would go on with them
//	restore   CRIU, itself under a new filter, makes the processes anew
//	adopt     while they wait, their sockets are connected to new legs, listeners bound
//	carry     they run; the rocks are resumed in the next epoch
//
// FORMAT.md describes the image.
package ckpt
