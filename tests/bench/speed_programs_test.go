package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"rock/tests/harness"
)

// programTrials: what programs of others say of themselves.
func programTrials() []*trial {
	serviceAims := []aim{{clientUnder.name, 0, atLeastOfPlain, 0.98}, {serverUnder.name, 0, atLeastOfPlain, 0.98}}
	return []*trial{
		{Name: "nginx, wrk", Metrics: []metric{{"requests/s", "%.0f"}}, Variants: inWays(ordinaryWays, wrk), aims: serviceAims},
		{Name: "redis, redis-benchmark", Metrics: []metric{{"GET/s", "%.0f"}, {"pipelined GET/s", "%.0f"}}, Variants: inWays(ordinaryWays, redisBenchmark), aims: serviceAims},
		{Name: "PostgreSQL, pgbench -S", Metrics: []metric{{"transactions/s", "%.0f"}}, Variants: inWays(ordinaryWays, pgbench), aims: serviceAims},
	}
}

func wrk(t testing.TB, w way) []float64 {
	r := twoHosts(t)
	dir := harness.TempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "small"), []byte("a small file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	harness.StartNginx(t, r.server, w.server, dir)
	url := "http://" + harness.At(r.server, 1, 8080).String() + "/small"
	w.ask(t, r, "curl", "-sSf", url) // not measured: the servers get to know each other
	p := harness.Spec{Host: r.client, Side: w.client, Argv: []string{"wrk", "-t1", "-c16", "-d3s", url}}.Start(t)
	p.Wait(t)
	return numbers(t, p.LastOutput(`Requests/sec:\s*(\S+)`), 1)
}

func redisBenchmark(t testing.TB, w way) []float64 {
	r := twoHosts(t)
	harness.StartRedis(t, r.server, w.server)
	var all []float64
	for _, args := range [][]string{{"-n", "60000", "-P", "1"}, {"-n", "600000", "-P", "32"}} {
		argv := append([]string{"redis-benchmark", "-h", r.at.String(), "-c", "16", "-t", "get", "--csv"}, args...)
		p := harness.Spec{Host: r.client, Side: w.client, Argv: argv}.Start(t)
		p.Wait(t)
		all = append(all, numbers(t, p.LastOutput(`"GET","([0-9.]+)"`), 1)...)
	}
	return all
}

func pgbench(t testing.TB, w way) []float64 {
	r := twoHosts(t)
	harness.StartPostgres(t, r.server, w.server)
	fill := harness.Spec{Host: r.client, Argv: harness.Psql(t, "pgbench", r.server, "-i", "-q", "-s", "1", "postgres")}
	fill.Output(t)
	run := func(seconds int) *harness.Proc {
		p := harness.Spec{Host: r.client, Side: w.client, Argv: harness.Psql(t, "pgbench", r.server, "-S", "-n", "-c", "4", "-T", strconv.Itoa(seconds), "postgres")}.Start(t)
		p.Wait(t)
		return p
	}
	run(1)
	return numbers(t, run(3).LastOutput(`tps = ([0-9.]+)`), 1)
}
