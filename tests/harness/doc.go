// Package harness runs real programs on the hosts of a lab, each with or without
// rock, and says what they did.
//
//	srv := harness.Spec{Host: l.B, Side: harness.Rock, Argv: []string{"nc", "-l", "7"}}.Start(t)
//	srv.WaitOutput(t, "...")
//	res := harness.Spec{Host: l.A, Argv: []string{"nc", "-N", ...}}.Run(t)
//
// A scenario is a function of the sides that its programs run on, so that the
// plain run, which shows that the scenario itself is right, and the run under rock
// are the same code. All that is started ends with the test. Waiting is always for
// a condition, with Patience as its bound.
package harness
