package group

import (
	"strings"
	"time"
)

// States of a group.
const (
	Starting      = "starting"      // it has no control socket yet, or none any more
	Running       = "running"       // processes run
	Stopped       = "stopped"       // the command is stopped, by Ctrl-Z for instance
	Ending        = "ending"        // no process is left; the rocks deliver what was written last
	Checkpointing = "checkpointing" // it is being written into an image
	Migrating     = "migrating"     // it goes to another host
	InDoubt       = "in doubt"      // it may have gone there, and stands still until that is known
	Ordinary      = "ordinary"      // processes run, without rocks: interposition is not possible here
)

// Info describes a group at one moment.
type Info struct {
	ID         string    `msgpack:"id"`
	Name       string    `msgpack:"name"`       // "" for none
	Pid        int       `msgpack:"pid"`        // of the command
	Front      int       `msgpack:"front"`      // pid of the process that the user started
	Supervisor int       `msgpack:"supervisor"` // pid
	Command    []string  `msgpack:"command"`    // name and arguments
	State      string    `msgpack:"state"`      // one of the constants above
	Rocks      int       `msgpack:"rocks"`      // how many
	Started    time.Time `msgpack:"started"`
	Port       uint16    `msgpack:"port"` // where its rocks are resumed, 0 without rocks
}

// CommandLine returns the command as one line for people.
func (i Info) CommandLine() string { return strings.Join(i.Command, " ") }

// Rock describes one rock of a group at one moment.
type Rock struct {
	ID       string    `msgpack:"id"`
	State    string    `msgpack:"state"`  // established, suspended, connecting or closed
	Local    string    `msgpack:"local"`  // address and port as the program sees them
	Remote   string    `msgpack:"remote"` //
	Role     string    `msgpack:"role"`   // client or server
	Epoch    uint32    `msgpack:"epoch"`
	InFlight int       `msgpack:"in_flight"` // bytes written and not acknowledged
	Since    time.Time `msgpack:"since"`     // of State
	Error    string    `msgpack:"error"`     // the last one, "" for none
}
