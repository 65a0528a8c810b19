package harness

import (
	"os"
	"testing"
)

// Side says whether a program runs under rock.
type Side int

// The two sides.
const (
	Plain Side = iota
	Rock
)

func (s Side) String() string {
	if s == Rock {
		return "rock"
	}
	return "plain"
}

// PlainOnly says that only the scenarios themselves are to be tried, without rock:
// the environment has ROCK_TEST_PLAIN=1.
func PlainOnly() bool { return os.Getenv("ROCK_TEST_PLAIN") == "1" }

// BothSides runs a scenario with both ends plain, and with both ends under rock.
func BothSides(t *testing.T, f func(t *testing.T, s Side)) {
	for _, s := range []Side{Plain, Rock} {
		t.Run(s.String(), func(t *testing.T) {
			SkipUnlessPlain(t, s)
			f(t, s)
		})
	}
}

// SkipUnlessPlain skips t if one of the sides is Rock in a run of the plain
// scenarios only.
func SkipUnlessPlain(t testing.TB, sides ...Side) {
	t.Helper()
	for _, s := range sides {
		if s == Rock && PlainOnly() {
			t.Skip("ROCK_TEST_PLAIN=1")
		}
	}
}
