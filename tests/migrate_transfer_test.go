package tests

import (
	"os"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// moving is a transfer between hosts apart whose ends can move. change may change it before.
func moving(t *testing.T, change func(s *harness.TransferSpec)) (*lab.Lab, *harness.Transfer) {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	spec := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Endless: true, Rate: transferRate / 6, ServerName: "server", ClientName: "client", Travels: true}
	if change != nil {
		change(&spec)
	}
	tr := spec.Start(t)
	tr.Flows(t)
	return l, tr
}

// A server moves from host to host while it sends and receives, to that of its peer, too. Neither end sees an error, and
// not a byte is lost or comes twice. ROCK_TEST_LONG=1 makes it fifty moves.
func TestMigrateRounds(t *testing.T) {
	t.Parallel()
	moves := 10
	if os.Getenv("ROCK_TEST_LONG") == "1" {
		moves = 50
	}
	l, tr := moving(t, nil)
	group, rock := groups(t, l.B), conns(t, l.B)
	hosts := []*lab.Host{l.C, l.A, l.B}
	for i := range moves {
		tr.Server.Move(t, hosts[i%len(hosts)])
		tr.Flows(t)
	}
	if tr.Server.Host() != l.C {
		tr.Server.Move(t, l.C)
	}
	if got := groups(t, l.C); len(got) != 1 || len(group) != 1 || got[0].ID != group[0].ID || got[0].Name != "server" {
		t.Errorf("the group is %+v, it was %+v", got, group)
	}
	if got := conns(t, l.C); len(got) != 1 || len(rock) != 1 || got[0].ID != rock[0].ID {
		t.Errorf("the rock is %+v, it was %+v", got, rock)
	}
	if left := groups(t, l.B); len(left) != 0 {
		t.Errorf("on B there is still %+v", left)
	}
	tr.Finish(t)
}

// Programs of every kind move under load, first one end and then the other.
func TestMigrateEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(s *harness.TransferSpec)
	}{
		{"Go", func(s *harness.TransferSpec) { s.At = harness.At6(s.Server, 1, 7000) }},
		{"Python", func(s *harness.TransferSpec) { s.PythonServer, s.PythonClient = true, true }},
		{"jobs", func(s *harness.TransferSpec) { s.JobServer, s.JobClient = true, true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, tr := moving(t, func(s *harness.TransferSpec) {
				s.Endless, s.Bytes = false, transferBytes/2
				tt.change(s)
			})
			tr.Client.Move(t, l.C)
			tr.Server.Move(t, l.A)
			tr.Finish(t)
		})
	}
}

// Both ends move at the same time, so that neither finds the other where it was.
func TestMigrateBothAtOnce(t *testing.T) {
	t.Parallel()
	l, tr := moving(t, nil)
	for _, to := range []struct{ server, client *lab.Host }{{l.C, l.B}, {l.A, l.C}, {l.B, l.A}} {
		server, client := tr.Server.Depart(t, to.server), tr.Client.Depart(t, to.client)
		server.Arrive(t)
		client.Arrive(t)
		tr.Flows(t)
	}
	tr.Finish(t)
}
