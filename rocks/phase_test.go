package rocks

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// TestPhaseMoves holds the table of moves against the diagram in the documentation.
func TestPhaseMoves(t *testing.T) {
	phases := []phase{connecting, established, suspended, closed}
	want := map[string]bool{
		"connecting to established": true, "connecting to closed": true,
		"established to suspended": true, "established to closed": true,
		"suspended to established": true, "suspended to closed": true,
	}
	for _, from := range phases {
		for _, to := range phases {
			name := fmt.Sprintf("%v to %v", from, to)
			if got := moves[from][to]; got != want[name] {
				t.Errorf("%s: got %v, want %v", name, got, want[name])
			}
		}
	}
}

// TestPhaseDiagram checks that the package documentation has the diagram of the type.
func TestPhaseDiagram(t *testing.T) {
	diagram := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := string(b)
		from := strings.Index(s, "//\t             handshake")
		to := strings.Index(s, "suspended for too long\n")
		if from < 0 || to < from {
			t.Fatalf("%s has no diagram", file)
		}
		return s[from:to]
	}
	if diagram("doc.go") != diagram("phase.go") {
		t.Error("the diagrams in doc.go and phase.go differ")
	}
}

func TestGraveyard(t *testing.T) {
	var y graveyard
	now := time.Unix(1000, 0)
	key := func(i int) rockKey { return rockKey{wire.ID{byte(i), byte(i >> 8), 1}, wire.RoleClient} }
	y.bury(key(1), auth.Keys{Client: [32]byte{1}}, now)
	if g := y.find(key(1), now.Add(graveTime)); g == nil || g.keys.Client[0] != 1 {
		t.Error("a fresh grave is not found")
	}
	if y.find(rockKey{key(1).id, wire.RoleServer}, now) != nil {
		t.Error("the grave of the other end is found")
	}
	if y.find(key(1), now.Add(graveTime+1)) != nil || len(y.byKey) != 0 {
		t.Error("an old grave is found")
	}
	for i := range maxGraves + 10 {
		y.bury(key(i), auth.Keys{}, now)
	}
	if len(y.byKey) != maxGraves || y.find(key(9), now) != nil || y.find(key(10), now) == nil {
		t.Errorf("%d graves, want the %d newest", len(y.byKey), maxGraves)
	}
	y.bury(key(10), auth.Keys{}, now.Add(time.Minute))
	if y.find(key(10), now.Add(graveTime+time.Second)) == nil {
		t.Error("a rock that was buried again went with its first grave")
	}
}

func TestNextPause(t *testing.T) {
	e := &Endpoint{cfg: Config{MaxBackoff: 2 * time.Second}}
	var got []time.Duration
	for p := firstPause; len(got) < 6; p = e.nextPause(p, time.Minute) {
		got = append(got, p.Round(time.Millisecond))
	}
	want := "[60ms 120ms 240ms 480ms 960ms 1s]"
	if fmt.Sprint(got) != want {
		t.Errorf("pauses are %v, want %s", got, want)
	}
	if p := e.nextPause(4*time.Second, patience+1); p != 5*time.Second {
		t.Errorf("pause after a long time is %v, want 5s", p)
	}
}

func TestDeadlineIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConn(&Endpoint{cfg: Config{FlightLimit: 1, ReceiveLimit: 1}, log: slog.New(slog.DiscardHandler)}, wire.NewID(), wire.RoleClient)
		start := time.Now()
		c.SetReadDeadline(start.Add(time.Hour))
		c.SetReadDeadline(start.Add(time.Minute)) // replaces the first
		_, err := c.Read(make([]byte, 1))
		if got := time.Since(start); got != time.Minute || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read returned after %v with %v", got, err)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { c.Close() })
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed Conn: %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	tests := []struct {
		err, is error
		want    bool
	}{
		{&ResetError{}, syscall.ECONNRESET, true},
		{&ResetError{Cause: ErrStaleEpoch}, syscall.ECONNRESET, true},
		{&ResetError{Cause: ErrStaleEpoch}, ErrStaleEpoch, true},
		{&ResetError{Cause: ErrStaleEpoch}, ErrRolledBack, false},
		{&RefusedError{Reason: wire.ReasonStale}, ErrStaleEpoch, true},
		{&RefusedError{Reason: wire.ReasonRolledBack}, ErrRolledBack, true},
		{&RefusedError{Reason: wire.ReasonUnknown}, ErrUnknownRock, true},
		{&RefusedError{Reason: wire.ReasonBusy}, ErrBusy, true},
		{&RefusedError{Reason: wire.ReasonClosed}, ErrUnknownRock, false},
		{ErrExported, net.ErrClosed, true},
		{ErrEndpointClosed, net.ErrClosed, true},
		{ErrTimeLimit, syscall.ETIMEDOUT, true},
		{io.EOF, net.ErrClosed, false},
	}
	for _, tt := range tests {
		if got := errors.Is(tt.err, tt.is); got != tt.want {
			t.Errorf("%v Is %v: got %v, want %v", tt.err, tt.is, got, tt.want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	if _, err := (Config{}).withDefaults(); err == nil {
		t.Error("a Config without Network was accepted")
	}
	if _, err := NewEndpoint(Config{Network: System(), Heartbeat: -1}); err == nil {
		t.Error("a negative heartbeat was accepted")
	}
}
