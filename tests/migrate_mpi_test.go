package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// mpiJob is a job of MPICH's: the process that has it started, and the one on each host that starts the ranks there.
type mpiJob struct {
	starter *harness.Proc
	proxies []*harness.Proc
	last    string // a file: when it is there the job comes to its end
}

// startMPI starts a job with two ranks on each of the hosts, over TCP, and waits until it is at work. Under rock the groups are
// called mpi.start, mpi.0 and so on.
func startMPI(t *testing.T, s harness.Side, hosts ...*lab.Host) *mpiJob {
	t.Helper()
	job := &mpiJob{last: filepath.Join(harness.TempDir(t), "last")}
	program := filepath.Join(harness.TempDir(t), "mpi")
	if out, err := exec.Command("mpicc.mpich", "-O1", "-o", program, "programs/mpi.c").CombinedOutput(); err != nil {
		t.Fatalf("mpicc.mpich: %v\n%s", err, out)
	}
	places := ""
	for _, h := range hosts {
		places += fmt.Sprintf("%v:2,", h.Addr(1))
	}
	spec := func(h *lab.Host, name string, argv ...string) harness.Spec {
		spec := harness.Spec{Host: h, Side: s, Travels: true, Argv: argv, Env: []string{"UCX_TLS=tcp,self"}}
		if s == harness.Rock {
			spec.Name = "mpi." + name
		}
		return spec
	}
	job.starter = spec(hosts[0], "start", "mpiexec.hydra", "-launcher", "manual", "-localhost", hosts[0].Addr(1).String(),
		"-hosts", places, "-n", fmt.Sprint(2*len(hosts)), program, job.last).Start(t)
	job.starter.WaitOutput(t, "HYDRA_LAUNCH_END")
	for i, m := range regexp.MustCompile(`HYDRA_LAUNCH: (.*)\n`).FindAllStringSubmatch(job.starter.Stdout(), -1) {
		job.proxies = append(job.proxies, spec(hosts[i], fmt.Sprint(i), "sh", "-c", "exec "+m[1]).Start(t))
	}
	job.starter.WaitOutput(t, "round 10\n")
	return job
}

// finish lets the job come to its end, and checks what it has.
func (j *mpiJob) finish(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(j.last, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * len(j.proxies) {
		if got := j.starter.WaitOutput(t, fmt.Sprintf(`rank %d: (\w+) after \d+ rounds\n`, i))[1]; got != "right" {
			t.Errorf("the result of rank %d is %s", i, got)
		}
	}
}

// An MPI job that does not know of rock gets the right result, with rock and without.
func TestMPI(t *testing.T) {
	t.Parallel()
	harness.BothSides(t, func(t *testing.T, s harness.Side) {
		l := lab.New(t, lab.Apart)
		startMPI(t, s, l.A, l.B).finish(t)
	})
}

// It moves from two hosts to a third while it computes, process by process. With -l they find each other there when it has
// no network any more.
func TestMigrateMPI(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	job := startMPI(t, harness.Rock, l.A, l.B)
	for _, p := range append(job.proxies, job.starter) {
		p.Move(t, l.C, "-l")
	}
	for _, h := range []*lab.Host{l.A, l.B, l.C} {
		h.Unplug(1)
		h.Unplug(2)
	}
	job.finish(t)
}
