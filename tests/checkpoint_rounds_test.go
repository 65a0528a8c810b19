package tests

import (
	"encoding/json"
	"os"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// One group is checkpointed and restored again and again. It keeps its id and its name, and its rock its id;
// at the end all sums are right. ROCK_TEST_LONG=1 makes it a hundred rounds.
func TestCheckpointRounds(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	rounds := 15
	if os.Getenv("ROCK_TEST_LONG") == "1" {
		rounds = 100
	}
	l := lab.New(t)
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: 3_000_000, ClientName: "job"}.Start(t)
	tr.Flows(t)
	group, rock := groups(t, l.A), conns(t, l.A)
	for range rounds {
		tr.Pause(t, 0)
		tr.Flows(t)
	}
	if got := groups(t, l.A); len(got) != 1 || len(group) != 1 || got[0].ID != group[0].ID || got[0].Name != "job" {
		t.Errorf("the group is %+v, it was %+v", got, group)
	}
	if got := conns(t, l.A); len(got) != 1 || len(rock) != 1 || got[0].ID != rock[0].ID {
		t.Errorf("the rock is %+v, it was %+v", got, rock)
	}
	tr.Finish(t)
}

// listed is a line of rockctl ls --json, as far as needed.
type listed struct {
	ID, Name, State string
	Pid             int
}

// groups asks rockctl on a host, as root, for its groups.
func groups(t *testing.T, h *lab.Host) []listed {
	t.Helper()
	out := harness.Spec{Host: h, Argv: []string{harness.Program(t, "rockctl"), "ls", "--json"}}.Output(t)
	var all []listed
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("rockctl ls --json: %v\n%s", err, out)
	}
	return all
}
