//go:build race

package rocks_test

// underRace says that the race detector is on. It makes everything some five times slower, so the largest
// tables are thinned out then; without it they run whole.
const underRace = true
