package rocks

import (
	"context"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// changes subscribes at once, so that nothing is missed from here on, and
// falls back to polling where the kernel has no such events (some sandboxes).
func changes() eventSource {
	s, err := subscribe()
	if err != nil {
		return pollInterfaces()
	}
	return func(ctx context.Context, changed func()) {
		if !receiveEvents(ctx, s, changed) {
			pollInterfaces()(ctx, changed)
		}
	}
}

// subscribe opens a socket on the groups of rtnetlink(7) that tell of links,
// addresses and routes. No privilege is needed to listen.
func subscribe() (*nl.NetlinkSocket, error) {
	return nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
}

// receiveEvents reports each message on s, which it owns. What a message says
// is of no interest: who is told looks at the host as it is then. It returns
// false if ctx is not done and no socket is to be had.
func receiveEvents(ctx context.Context, s *nl.NetlinkSocket, changed func()) bool {
	for ctx.Err() == nil {
		stop := context.AfterFunc(ctx, s.Close)
		for {
			if _, _, err := s.Receive(); err != nil {
				break
			}
			changed()
		}
		if !stop() {
			return true // ctx is done and has closed the socket
		}
		// ENOBUFS: events came faster than we read and some are lost. A new
		// socket has an empty queue; what was lost counts as a change.
		s.Close()
		select {
		case <-ctx.Done():
			return true
		case <-time.After(watchWindow): // do not spin on a kernel that always fails
		}
		var err error
		if s, err = subscribe(); err != nil {
			return false
		}
		changed()
	}
	s.Close()
	return true
}
