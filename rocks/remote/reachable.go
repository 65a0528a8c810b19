package remote

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"rock/rocks/remote/talk"
)

const (
	reachTime = 1500 * time.Millisecond
	// otherTime is how long the other addresses are waited for when one can be reached.
	otherTime = 50 * time.Millisecond
)

// reachable returns the addresses at which rockd can be reached, with its port: first those by which ssh knows the
// host. Nothing is said to who is there.
func (s *Session) reachable(ctx context.Context, ready *talk.Ready) []string {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var all []string
	if name, err := s.ssh.address(ctx); err == nil {
		found, _ := net.DefaultResolver.LookupHost(ctx, name)
		all = append(all, found...)
	}
	for _, a := range ready.Addresses {
		if ip := net.ParseIP(a); ip != nil && !ip.IsLoopback() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	there := make([]bool, len(all))
	type answer struct {
		i  int
		ok bool
	}
	answers := make(chan answer, len(all))
	for i, a := range all {
		go func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(a, strconv.Itoa(int(ready.Port))))
			if err == nil {
				_ = conn.Close()
			}
			answers <- answer{i, err == nil}
		}()
	}
	for range all {
		a := <-answers
		if there[a.i] = a.ok; a.ok {
			time.AfterFunc(otherTime, cancel)
		}
	}
	var ways []string
	for i, a := range all {
		if there[i] {
			ways = append(ways, net.JoinHostPort(a, strconv.Itoa(int(ready.Port))))
		}
	}
	return ways
}
