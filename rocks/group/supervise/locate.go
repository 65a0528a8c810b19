package supervise

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"sync"
	"time"

	"rock/rocks"
	"rock/rocks/group"
	"rock/rocks/wire"
)

const (
	// lookEvery is how often it is seen whether the group has rocks without a link.
	lookEvery = 500 * time.Millisecond
	// lookAtMost is the longest pause between looks for the same ones.
	lookAtMost = 4 * time.Second
	// lookTime bounds the time for all groups of the host to answer.
	lookTime = time.Second
)

// loopback is where groups of this host find each other.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// locate starts to reconnect rocks to localhost, if the plan says so. It returns what ends that and waits for it.
func (s *supervisor) locate() (stop func()) {
	w, ok := s.interposition.(*withRocks)
	if !s.plan.Localhost || !ok {
		return func() {}
	}
	dir, err := group.OpenDir(os.Getenv)
	if err != nil {
		s.log.Warn("-l: other groups are not found", "error", err)
	}
	l := &locator{endpoint: w.endpoint, dir: dir, log: s.log}
	if s.registration != nil {
		l.self = s.registration.ID
	}
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() { l.run(ctx) })
	return func() {
		cancel()
		loop.Wait()
	}
}

// locator looks for the other ends of suspended rocks among the groups of this host, and introduces them to the
// rocks. One goroutine uses it.
type locator struct {
	endpoint *rocks.Endpoint
	dir      *group.Dir // nil: only the own group is seen
	self     string     // id of the own group, "" if it is not registered
	log      *slog.Logger

	sought map[end]bool // of the last look
	pause  time.Duration
	next   time.Time
}

// end is one end of a rock.
type end struct {
	id   wire.ID
	role wire.Role
}

// run looks now and then, as long as there is something to look for, until ctx is done.
func (l *locator) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if ours := l.endpoint.Conns(); l.due(missing(ours), time.Now()) {
			l.look(ctx, ours)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// missing returns the ends to look for: those of suspended rocks that are not ours.
func missing(ours []rocks.Info) map[end]bool {
	ends := map[end]bool{}
	for _, i := range ours {
		if i.State == "suspended" {
			ends[end{i.ID, i.Role.Peer()}] = true
		}
	}
	return ends
}

// due says whether to look for the ends sought now: at once if there are others than last time, and less and less often if they are
// the same.
func (l *locator) due(sought map[end]bool, now time.Time) bool {
	if !maps.Equal(sought, l.sought) {
		l.sought, l.pause, l.next = sought, lookEvery, now
	}
	if len(sought) == 0 || now.Before(l.next) {
		return false
	}
	l.next = now.Add(l.pause)
	l.pause = min(2*l.pause, lookAtMost)
	return true
}

// look asks all groups for their rocks.
func (l *locator) look(ctx context.Context, ours []rocks.Info) {
	for _, i := range ours {
		l.met(end{i.ID, i.Role}, l.endpoint.ResumeAddr().Port())
	}
	if l.dir == nil {
		return
	}
	short, cancel := context.WithTimeout(ctx, lookTime)
	groups, _ := l.dir.List(short) // what has not answered by then is not complete, and asked next time
	cancel()
	short, cancel = context.WithTimeout(ctx, lookTime)
	defer cancel()
	var all sync.WaitGroup
	for _, g := range groups {
		if g.ID != l.self && g.Port != 0 && g.Rocks > 0 {
			all.Go(func() { l.ask(short, g) })
		}
	}
	all.Wait()
}

// ask asks one group.
func (l *locator) ask(ctx context.Context, g group.Group) {
	theirs, err := g.AskRocks(ctx)
	if err != nil {
		l.log.Debug("-l: a group does not tell its rocks", "group", g.ID, "error", err)
		return
	}
	for _, r := range theirs {
		id, err := wire.ParseID(r.ID)
		if err != nil {
			continue
		}
		for _, role := range []wire.Role{wire.RoleClient, wire.RoleServer} {
			if role.String() == r.Role {
				l.met(end{id, role}, g.Port)
			}
		}
	}
}

// met introduces an end that is at a port of this host, if it is looked for.
func (l *locator) met(e end, port uint16) {
	if l.sought[e] {
		l.endpoint.Introduce(e.id, e.role.Peer(), netip.AddrPortFrom(loopback, port))
	}
}
