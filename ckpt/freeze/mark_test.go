package freeze_test

import (
	"testing"

	"rock/ckpt/freeze"
)

// A mark is seen by whoever opens the cgroup.
func TestMark(t *testing.T) {
	each(t, func(t *testing.T, version int) {
		g := newGroup(t, version)
		again, err := freeze.Open(g.Path())
		if err != nil {
			t.Fatal(err)
		}
		if again.Marked() {
			t.Fatal("marked from the beginning")
		}
		if err := g.Mark(); err != nil {
			t.Fatal(err)
		}
		if !again.Marked() {
			t.Error("not marked after Mark")
		}
		for range 2 {
			if err := again.Unmark(); err != nil {
				t.Fatal(err)
			}
		}
		if g.Marked() {
			t.Error("marked after Unmark")
		}
	})
}
