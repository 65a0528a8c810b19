//go:build !race

package rocks_test

// underRace says that the race detector is on; see there.
const underRace = false
