package tests

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A Redis client keeps its one connection, and with it its subscription and its
// transaction, over a change of address; the benchmark runs through one.
func TestRedis(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.OnePath)
		harness.StartRedis(t, l.B, s)
		cli := func(args ...string) harness.Spec {
			return harness.Spec{Host: l.A, Side: s, Argv: append([]string{"redis-cli", "-h", l.B.Addr(1).String()}, args...)}
		}

		subscriber := cli("SUBSCRIBE", "news").Start(t)
		subscriber.WaitOutput(t, `subscribe\s+news`)
		client := cli().Start(t)
		say := func(line, want string) {
			t.Helper()
			fmt.Fprintln(client.Stdin, line)
			client.WaitOutput(t, want)
		}
		say("CLIENT SETNAME tester", "OK")
		say("MULTI", "OK\nOK")
		say("SET key value", "QUEUED")
		cutUnderRock(l, s)
		say("EXEC", "QUEUED\nOK")
		say("CLIENT GETNAME", "tester")
		say("PUBLISH news arrived", "\n1\n")
		subscriber.WaitOutput(t, "arrived")
		client.Stdin.Close()
		client.Wait(t)

		bench := harness.Spec{Host: l.A, Side: s, Argv: []string{"redis-benchmark", "-h", l.B.Addr(1).String(),
			"-c", "20", "-n", "60000", "-t", "set,get", "--csv"}}.Start(t)
		bench.WaitOutput(t, `"SET"`)
		cutUnderRock(l, s)
		res := bench.Wait(t)
		if res.Code != 0 || !regexp.MustCompile(`"GET","\d+`).MatchString(res.Stdout) || strings.Contains(res.Stderr, "rror") {
			t.Errorf("redis-benchmark: status %d\n%s%s", res.Code, res.Stdout, res.Stderr)
		}
	})
}
