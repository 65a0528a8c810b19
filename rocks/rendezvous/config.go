package rendezvous

import (
	"log/slog"
	"sync/atomic"
)

// ServerConfig configures a Server. The zero value of each field but Store means its default.
type ServerConfig struct {
	Store    Store
	Conns    int // most connections at once; default 4096
	PerHost  int // of them from one host, or /64; default 64
	Names    int // most names in an hour from one host; default 5000
	Requests int // a second from one connection; default 200
	Pairs    int // most pairs that are connected at once; default 512, -1 for none
	Rate     int // bytes a second each way of a pair; default 4 MiB
	Logger   *slog.Logger
}

// Stats count what a server has done since it began.
type Stats struct {
	Conns, Turned     atomic.Int64 // connections: taken, and turned away
	Left, Found       atomic.Int64 // records: taken, and given to who looked for them
	Refused           atomic.Int64 // requests
	Pairs, RelayBytes atomic.Int64
}
