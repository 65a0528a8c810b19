package migrate

import (
	"net/netip"
	"time"

	"rock/ckpt/image"
	"rock/ckpt/survey"
)

// Kinds of messages, see PROTOCOL.md.
const (
	kindAlive    = 0 // either: nothing, but often
	kindOffer    = 1 // source: what is to come
	kindVerdict  = 2 // target: whether it can
	kindFile     = 3 // source: the name of a file, whose chunks follow
	kindComplete = 4 // source: all files are there
	kindReady    = 5 // target: all is restored and waits
	kindCommit   = 6 // source: it lives there from now on
	kindDone     = 7 // target: it does
	kindAbort    = 8 // either, before commit: it stays at the source
	kindProgress = 9 // target: how far it is
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
}

// verdict is what the target says to that.
type verdict struct {
	Host     string           `msgpack:"host"`
	Rock     string           `msgpack:"rock"`
	Problems []survey.Problem `msgpack:"problems"`
	Warnings []string         `msgpack:"warnings"`
}

// file begins a file of the image.
type file struct {
	ID   uint32 `msgpack:"id"`
	Name string `msgpack:"name"`
}

// complete ends the image.
type complete struct {
	Manifest image.Manifest `msgpack:"manifest"` // without checksums, which the target computes
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
