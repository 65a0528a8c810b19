package tests

import (
	"fmt"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A psql session keeps its open transaction over a change of address, and pgbench
// loses none of its transactions in one.
func TestPostgres(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		harness.StartPostgres(t, l.B, s)
		run := func(program string, args ...string) harness.Spec {
			return harness.Spec{Host: l.A, Side: s, Argv: harness.Psql(t, program, l.B, args...)}
		}

		session := run("psql", "-qAtX", "-d", "postgres").Start(t)
		fmt.Fprintln(session.Stdin, "CREATE TABLE t (n int); BEGIN; INSERT INTO t SELECT generate_series(1, 1000); SELECT 'inserted ' || count(*) FROM t;")
		session.WaitOutput(t, "inserted 1000")
		cutUnderRock(l, s)
		fmt.Fprintln(session.Stdin, "COMMIT; SELECT 'sum ' || sum(n) FROM t;")
		session.WaitOutput(t, "sum 500500")
		session.Stdin.Close()
		if res := session.Wait(t); res.Code != 0 {
			t.Errorf("psql: status %d: %s", res.Code, res.Stderr)
		}

		run("pgbench", "-i", "-q", "postgres").Output(t)
		const clients, each = 4, 150
		bench := run("pgbench", "-n", "-c", fmt.Sprint(clients), "-j", "2", "-t", fmt.Sprint(each), "postgres").Start(t)
		harness.Until(t, "some transactions", func() bool {
			return count(t, l.B) > 20
		})
		cutUnderRock(l, s)
		res := bench.Wait(t)
		if want := fmt.Sprintf("processed: %d/%d", clients*each, clients*each); res.Code != 0 || !strings.Contains(res.Stdout, want) {
			t.Errorf("pgbench: status %d, want %q in\n%s%s", res.Code, want, res.Stdout, res.Stderr)
		}
		// Every transaction adds the same number in four places.
		sums := run("psql", "-qAtX", "-d", "postgres", "-c", `SELECT
			(SELECT sum(delta) FROM pgbench_history) = (SELECT sum(abalance) FROM pgbench_accounts) AND
			(SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches)`).Output(t)
		if n := count(t, l.B); sums != "t\n" || n != clients*each {
			t.Errorf("sums equal: %q, transactions: %d, want %d", sums, n, clients*each)
		}
	})
}

// count is how many transactions of pgbench the server has, asked for on the spot.
func count(t *testing.T, server *lab.Host) int {
	t.Helper()
	out := harness.Spec{Host: server, Argv: harness.Psql(t, "psql", server, "-qAtX", "-d", "postgres",
		"-c", "SELECT count(*) FROM pgbench_history")}.Output(t)
	n := 0
	if _, err := fmt.Sscan(out, &n); err != nil {
		t.Fatalf("count: %q", out)
	}
	return n
}
