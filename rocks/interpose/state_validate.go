package interpose

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// validate checks that the parts of a State fit together.
func (st *State) validate() error {
	if !st.Home.Is4() || !st.Home.IsLoopback() {
		return fmt.Errorf("home %v is no IPv4 loopback address", st.Home)
	}
	used := map[int]string{}
	take := func(rock int, by string) error {
		if rock < 0 || rock >= len(st.Rocks) {
			return fmt.Errorf("%s is on rock %d of %d", by, rock, len(st.Rocks))
		}
		if other := used[rock]; other != "" {
			return fmt.Errorf("%s and %s are on the same rock", other, by)
		}
		used[rock] = by
		return nil
	}
	for i, r := range st.Rocks {
		if r == nil {
			return fmt.Errorf("rock %d is missing", i)
		}
		if err := r.Validate(); err != nil {
			return fmt.Errorf("rock %d: %w", i, err)
		}
	}
	for i := range st.Legs {
		by := fmt.Sprintf("leg %d", i)
		if err := st.Legs[i].validate(by, take); err != nil {
			return err
		}
	}
	for i := range st.Listeners {
		by := fmt.Sprintf("listener %d", i)
		if err := st.Listeners[i].validate(by, take); err != nil {
			return err
		}
	}
	return st.validatePlaces()
}

func (l *LegState) validate(by string, take func(int, string) error) error {
	switch {
	case l.Place != (Place{}) && !l.Place.valid():
		return fmt.Errorf("%s is at %v", by, l.Place)
	case l.Place == (Place{}) && !l.Left && !l.FinDue:
		return fmt.Errorf("%s is closed by the program and has no end", by)
	case !validFamily(l.Family):
		return fmt.Errorf("%s has address family %d", by, l.Family)
	case l.Rock == -1 && l.End != endFIN && l.End != endReset:
		return fmt.Errorf("%s has no rock and ends with %q", by, l.End)
	case l.Rock != -1:
		return take(l.Rock, by)
	}
	return nil
}

func (l *ListenerState) validate(by string, take func(int, string) error) error {
	switch {
	case !l.Place.valid():
		return fmt.Errorf("%s is at %v", by, l.Place)
	case !validFamily(l.Family):
		return fmt.Errorf("%s has address family %d", by, l.Family)
	case !l.Address.IsValid():
		return fmt.Errorf("%s has no address", by)
	}
	for i, d := range l.Waiting {
		if err := take(d.Rock, fmt.Sprintf("delivery %d of %s", i, by)); err != nil {
			return err
		}
	}
	return nil
}

func (st *State) validatePlaces() error {
	for i, d := range st.Dials {
		if !d.Place.valid() || !validFamily(d.Family) || !d.Remote.IsValid() {
			return fmt.Errorf("dial %d is at %v, of family %d, to %v", i, d.Place, d.Family, d.Remote)
		}
	}
	for i, f := range st.Failed {
		if !f.Place.valid() || !validFamily(f.Family) || f.Errno <= 0 {
			return fmt.Errorf("failed connect %d is at %v, of family %d, with errno %d", i, f.Place, f.Family, f.Errno)
		}
	}
	for i, p := range st.Bound {
		if !p.valid() {
			return fmt.Errorf("bound socket %d is at %v", i, p)
		}
	}
	return nil
}

func (p Place) valid() bool { return p.PID > 0 && p.FD >= 0 }

func (p Place) String() string { return fmt.Sprintf("descriptor %d of process %d", p.FD, p.PID) }

func validFamily(f int) bool { return f == unix.AF_INET || f == unix.AF_INET6 }
