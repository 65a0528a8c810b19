// Package tests shows end to end, with real programs on real networks, that rock
// does what the README promises. Its files are named by the promise they test.
//
// Each scenario runs with and without rock. Without it a scenario must pass too,
// so that it is known to be right, or, where plain TCP cannot survive, must be seen
// to fail. ROCK_TEST_PLAIN=1 leaves it at that.
//
// The tests need root, for network namespaces, and the programs that scripts/setup
// installs, CRIU among them. Without root they are skipped; ROCK_TEST_STRICT=1 makes
// that a failure. ROCK_TEST_LONG=1 makes some of them longer.
package tests
