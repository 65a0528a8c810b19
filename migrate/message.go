package migrate

import (
	"net/netip"
	"time"

	"rock/ckpt/image"
	"rock/ckpt/survey"
	"rock/migrate/files"
)

// Kinds of messages, see PROTOCOL.md.
const (
	kindAlive    = 0  // either: nothing, but often
	kindOffer    = 1  // source: what is to come
	kindVerdict  = 2  // target: whether it can
	kindFile     = 3  // source: the name of a file, whose chunks follow
	kindComplete = 4  // source: all files are there
	kindReady    = 5  // target: all is restored and waits
	kindCommit   = 6  // source: it lives there from now on
	kindDone     = 7  // target: it does
	kindAbort    = 8  // either, before commit: it stays at the source
	kindProgress = 9  // target: how far it is
	kindRound    = 10 // source: so much memory has been sent ahead
	kindHeld     = 11 // target: it is all there
)

// offer is what the source says of a group that still runs.
type offer struct {
	Token     string         `msgpack:"token"`
	Rock      string         `msgpack:"rock"` // version of the program
	Manifest  image.Manifest `msgpack:"manifest"`
	Memory    int64          `msgpack:"memory"` // bytes, at most
	Localhost bool           `msgpack:"localhost"`
	DryRun    bool           `msgpack:"dry_run"`
	Clock     time.Time      `msgpack:"clock"`
	Files     *files.Bundle  `msgpack:"files,omitempty"` // that come along; nil: none
}

// verdict is what the target says to that.
type verdict struct {
	Host     string           `msgpack:"host"`
	Rock     string           `msgpack:"rock"`
	Problems []survey.Problem `msgpack:"problems"`
	Warnings []string         `msgpack:"warnings"`
	Room     int64            `msgpack:"room"` // bytes of memory that it takes ahead, 0 for none
}

// round ends a round of memory that was sent ahead, all of it as file storeID.
type round struct {
	Bytes int64 `msgpack:"bytes"` // in all rounds
}

// file begins a file of the image.
type file struct {
	ID     uint32 `msgpack:"id"`
	Name   string `msgpack:"name"`
	Recipe bool   `msgpack:"recipe"` // its chunks are those of a recipe
}

// complete ends the image.
type complete struct {
	Manifest image.Manifest `msgpack:"manifest"` // with the checksums of what was sent, which the target compares
}

// ready says where peers will find the group.
type ready struct {
	Resume []netip.AddrPort `msgpack:"resume"`
}

// done says that the group runs.
type done struct {
	Pid      int      `msgpack:"pid"`
	Warnings []string `msgpack:"warnings"`
}

// abort says why it does not come, or does not go.
type abort struct {
	Reason string `msgpack:"reason"`
}

// progress is how far the target is.
type progress struct {
	Phase string `msgpack:"phase"`
}
