package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/group"
	"rock/rocks/wire"
)

// told is a group that tells of the rocks of an endpoint.
type told struct {
	group.Answers
	withRocks
	id string
}

func (g *told) Info() group.Info {
	return group.Info{ID: g.id, Port: g.endpoint.ResumeAddr().Port(), Rocks: len(g.Rocks())}
}

func (g *told) Rocks() []group.Rock { return g.withRocks.Rocks() }

func endpoint(t *testing.T) *rocks.Endpoint {
	t.Helper()
	e, err := rocks.NewEndpoint(rocks.Config{Network: rocks.System(), ResumeAddr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// parted returns a rock whose server's end was moved, so that neither end can find the other.
func parted(t *testing.T) (here, there *rocks.Endpoint, client, server *rocks.Conn) {
	t.Helper()
	here, between, there := endpoint(t), endpoint(t), endpoint(t)
	ln, err := between.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err = here.Dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	carry(t, accepted, client)
	st, err := accepted.(*rocks.Conn).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	between.Close()
	st.Peers = nil
	if server, err = there.Resume(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	return here, there, client, server
}

// carry has something arrive.
func carry(t *testing.T, from, to net.Conn) {
	t.Helper()
	to.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := from.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(to, b); err != nil || string(b) != "hello" {
		t.Errorf("read %q, error %v", b, err)
	}
}

// host is the runtime directory of a host, with a group that does not answer.
func host(t *testing.T) *group.Dir {
	t.Helper()
	path := t.TempDir() + "/run"
	dir, err := group.OpenDir(func(string) string { return path })
	if err != nil {
		t.Fatal(err)
	}
	register(t, dir, nil)
	return dir
}

// register adds a group; nil is one that does not answer.
func register(t *testing.T, dir *group.Dir, e *rocks.Endpoint) string {
	t.Helper()
	r, err := dir.Register("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if e == nil {
		l, err := net.Listen("unix", r.ControlPath())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return r.ID
	}
	server, err := group.Serve(r.ControlPath(), &told{withRocks: withRocks{endpoint: e}, id: r.ID}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return r.ID
}

// start starts a locator, which ends with the test.
func start(t *testing.T, l *locator) {
	l.log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// TestLocate has either end of a rock look for the other in another group, while a third group does not answer.
func TestLocate(t *testing.T) {
	for _, role := range []wire.Role{wire.RoleClient, wire.RoleServer} {
		t.Run(fmt.Sprint(role), func(t *testing.T) {
			t.Parallel()
			looks, other, client, server := parted(t)
			if role == wire.RoleServer {
				looks, other = other, looks
			}
			dir := host(t)
			self := register(t, dir, looks)
			register(t, dir, other)
			start(t, &locator{endpoint: looks, dir: dir, self: self})
			carry(t, client, server)
			carry(t, server, client)
		})
	}
}

// TestLocateWithin moves one end to where the other is.
func TestLocateWithin(t *testing.T) {
	t.Parallel()
	here, _, client, server := parted(t)
	st, err := server.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = here.Resume(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	start(t, &locator{endpoint: here})
	carry(t, client, server)
}

// TestLocateWhenDue checks that nothing is asked without need, and less and less often in vain.
func TestLocateWhenDue(t *testing.T) {
	at := time.Now()
	one := map[end]bool{{wire.ID{1}, wire.RoleClient}: true}
	two := map[end]bool{{wire.ID{2}, wire.RoleClient}: true}
	var l locator
	for i, step := range []struct {
		after  time.Duration
		sought map[end]bool
		due    bool
	}{
		{0, nil, false},
		{time.Hour, nil, false},
		{0, one, true},
		{0, one, false},
		{lookEvery, one, true},
		{lookEvery, one, false},
		{lookEvery, one, true},
		{2 * lookEvery, one, false},
		{time.Hour, one, true},
		{lookAtMost - 1, one, false},
		{1, one, true},
		{0, two, true},
		{lookEvery, two, true},
		{0, nil, false},
		{lookAtMost, nil, false},
		{0, two, true},
	} {
		at = at.Add(step.after)
		if due := l.due(step.sought, at); due != step.due {
			t.Errorf("step %d, %v later, with %d to look for: due is %v", i, step.after, len(step.sought), due)
		}
	}
}
