package freeze_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/ckpt/freeze"
)

func TestFrozenDoesNotRun(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		c, path := newCounter(t)
		startProgram(t, g, "count", path)
		c.counts(t)
		for range 20 {
			nudged := 0
			if err := g.Freeze(patience(t), func() { nudged++ }); err != nil {
				t.Fatal(err)
			}
			if nudged == 0 {
				t.Error("not nudged")
			}
			was := c.get()
			for n := 0; n < 100_000; n++ {
				if now := c.get(); now != was {
					t.Fatalf("it counted from %d to %d while frozen", was, now)
				}
			}
			mustThaw(t, g)
			c.counts(t)
		}
	})
}

// Whoever freezes and who thaws know of each other only by the path.
func TestThawedByAnother(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		c, path := newCounter(t)
		startProgram(t, g, "count", path)
		c.counts(t)
		mustFreeze(t, g)
		other, err := freeze.Open(g.Path())
		if err != nil {
			t.Fatal(err)
		}
		if other.Version() != version || other.Path() != g.Path() {
			t.Errorf("opened %s of version %d, want %s of %d", other.Path(), other.Version(), g.Path(), version)
		}
		mustFreeze(t, other) // as it is
		mustThaw(t, other)
		mustThaw(t, g)
		c.counts(t)
	})
}

func TestFreezeEmpty(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		mustFreeze(t, g)
		err := g.Around(&unix.SysProcAttr{}, func() error {
			t.Error("started in a frozen group")
			return nil
		})
		if e, ok := errors.AsType[*freeze.Error](err); !ok || e.Remedy == "" {
			t.Errorf("start in a frozen group: %v, want an Error with a remedy", err)
		}
		mustThaw(t, g)
	})
}

// Forks race with the freezer.
func TestFreezeForking(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		start(t, g, "/bin/sh", "-c", `for i in 1 2 3 4 5 6 7 8; do (while :; do (:) & wait; done) & done; wait`)
		eventually(t, "it forks", func() bool { return len(pids(t, g)) > 8 })
		for range 50 {
			mustFreeze(t, g)
			was := pids(t, g)
			for range 20 {
				if now := pids(t, g); !slices.Equal(now, was) {
					t.Fatalf("processes %v and then %v while frozen", was, now)
				}
			}
			mustThaw(t, g)
		}
		eventually(t, "it forks on", func() bool {
			was := pids(t, g)
			return !slices.Equal(was, pids(t, g))
		})
	})
}

func TestFreezeGivenUp(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("no longer wanted")
		cancel(why)
		for what, f := range map[string]func() error{
			"freeze": func() error { return g.Freeze(ctx, nil) },
			"thaw":   func() error { return g.Thaw(ctx) },
			"kill":   func() error { return g.Kill(ctx) },
		} {
			if err := f(); !errors.Is(err, why) {
				t.Errorf("%s: %v, want %v", what, err, why)
			}
		}
	})
}

// progSelf does to its own group what would be its end.
func progSelf() {
	g, err := freeze.Open(os.Args[1])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Freeze(context.Background(), nil))
	fmt.Println(g.Kill(context.Background()))
}

func TestOwnGroupRefused(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		p := startProgram(t, g, "self", g.Path())
		for _, op := range []string{"freeze", "kill"} {
			if got, want := p.line(), "this process is in it itself"; !strings.HasPrefix(got, op) || !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", op, got, want)
			}
		}
	})
}
