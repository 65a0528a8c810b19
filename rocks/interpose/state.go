package interpose

import (
	"fmt"
	"net/netip"

	"github.com/vmihailenco/msgpack/v5"

	"rock/rocks"
)

// StateVersion is the version of the serialized form of a State; STATE.md describes it.
const StateVersion = 1

// State is what an Interposer must know to go on with a group whose processes have
// been restored, with the same pids and descriptors, by somebody else: the rocks, and what
// they have to do with the sockets of the processes. [Suspension.State] makes it, [Recreate] takes it.
//
// It holds resume keys and bytes of programs in clear; see [rocks.State].
type State struct {
	Version   int             `msgpack:"version"`
	Home      netip.Addr      `msgpack:"home"` // the group's own loopback address, where legs and private listeners are
	Port      uint16          `msgpack:"port"` // where peers look for the group's rocks: the resume port
	Rocks     []*rocks.State  `msgpack:"rocks"`
	Legs      []LegState      `msgpack:"legs"`
	Listeners []ListenerState `msgpack:"listeners"`
	Dials     []DialState     `msgpack:"dials"`
	Failed    []FailedState   `msgpack:"failed"`
	Bound     []Place         `msgpack:"bound"` // sockets whose port the program chose
}

// Place is where a socket is found: a process that has it open, and its descriptor there.
type Place struct {
	PID int `msgpack:"pid"`
	FD  int `msgpack:"fd"`
}

// LegState is a leg that was taken apart. The program's socket is unconnected.
type LegState struct {
	Place  Place          `msgpack:"place"`  // PID 0: the program has closed it, and only delivery remains
	Rock   int            `msgpack:"rock"`   // index in State.Rocks; -1: none, see End
	End    string         `msgpack:"end"`    // without a rock, what the program meets behind ToProgram: "fin" or "reset"
	Family int            `msgpack:"family"` // AF_INET or AF_INET6
	Local  netip.AddrPort `msgpack:"local"`  // what getsockname says
	Remote netip.AddrPort `msgpack:"remote"` // what getpeername says

	ToPeer    []byte `msgpack:"to_peer"`    // written by the program, not yet in the flight log
	ToProgram []byte `msgpack:"to_program"` // taken from the rock, not yet read by the program
	Left      bool   `msgpack:"left"`       // the program's end has been passed to the rock
	FinDue    bool   `msgpack:"fin_due"`    // it has ended, and that is to be passed on behind ToPeer
	PeerFIN   bool   `msgpack:"peer_fin"`   // the peer's bytes have ended, behind ToProgram
	NoRead    bool   `msgpack:"no_read"`    // the program has shut its receiving side down

	Options []Option `msgpack:"options"` // of the program's socket
}

// What a leg without a rock ends with.
const (
	endFIN   = "fin"
	endReset = "reset"
)

// ListenerState is a listening socket of the program. The private listener is restored with the process.
type ListenerState struct {
	Place     Place           `msgpack:"place"` // of the private listener
	Family    int             `msgpack:"family"`
	Address   netip.AddrPort  `msgpack:"address"` // public
	Backlog   int             `msgpack:"backlog"`
	V6Only    bool            `msgpack:"v6only"`
	ReuseAddr bool            `msgpack:"reuse_addr"`
	ReusePort bool            `msgpack:"reuse_port"`
	Waiting   []DeliveryState `msgpack:"waiting"` // rocks that the program has not accepted yet, in order
	Options   []Option        `msgpack:"options"` // of the private listener
}

// Option is a socket option that differs from a new socket's and that who saves the process (CRIU) does
// not save, as setsockopt(2) has it.
type Option struct {
	Level int    `msgpack:"level"`
	Name  int    `msgpack:"name"`
	Value []byte `msgpack:"value"`
}

// DeliveryState is a rock that waits to be accepted by the program.
type DeliveryState struct {
	Rock      int            `msgpack:"rock"` // index in State.Rocks
	Local     netip.AddrPort `msgpack:"local"`
	Remote    netip.AddrPort `msgpack:"remote"`
	ToProgram []byte         `msgpack:"to_program"`
	PeerFIN   bool           `msgpack:"peer_fin"`
}

// DialState is a connect that was under way and that the program waits for by polling.
type DialState struct {
	Place  Place          `msgpack:"place"`
	Family int            `msgpack:"family"`
	Remote netip.AddrPort `msgpack:"remote"`
	Local  netip.Addr     `msgpack:"local"` // that the program has bound; zero: none
}

// FailedState is a socket whose connect has failed, which the program has not asked for yet.
type FailedState struct {
	Place  Place          `msgpack:"place"`
	Family int            `msgpack:"family"`
	Remote netip.AddrPort `msgpack:"remote"`
	Errno  int            `msgpack:"errno"`
}

// Encode returns the serialized form.
func (st *State) Encode() ([]byte, error) {
	b, err := msgpack.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("encode state of connections: %w", err)
	}
	return b, nil
}

// DecodeState reads the serialized form. A version that is not StateVersion, and what does not fit
// together, is refused.
func DecodeState(b []byte) (*State, error) {
	var head struct {
		Version int `msgpack:"version"`
	}
	if err := msgpack.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("decode state of connections: %w", err)
	}
	if head.Version != StateVersion {
		return nil, fmt.Errorf("decode state of connections: it has version %d, this program reads version %d", head.Version, StateVersion)
	}
	st := new(State)
	if err := msgpack.Unmarshal(b, st); err != nil {
		return nil, fmt.Errorf("decode state of connections: %w", err)
	}
	if err := st.validate(); err != nil {
		return nil, fmt.Errorf("decode state of connections: %w", err)
	}
	return st, nil
}
