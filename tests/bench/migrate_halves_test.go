package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rock/tests/harness"
)

// ourMove has rockctl move the group, with its rock.
func ourMove(t testing.TB, _ string, z *size) {
	s := setUp(t, harness.Rock, z.Memory, nil)
	var report harness.Report
	said := harness.Migrate(t, s.B, s.C, "job").Output(t)
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		t.Fatalf("rockctl migrate --json: %v\n%s", err, said)
	}
	pause := s.pause(t)
	came, went := s.job.Received(), s.peer.Received()
	harness.Until(t, "the connection goes on, both ways", func() bool {
		return s.job.Received() > came && s.peer.Received() > went
	})
	s.whole(t)
	if n := s.job.Errors.Load() + s.peer.Errors.Load(); n > 0 || report.Rocks != 1 {
		t.Fatalf("%d of %d connections have failed or brought what was not sent", n, report.Rocks)
	}
	frozen := micros(report.FrozenUS)
	z.add("frozen", frozen)
	z.add("quiesce", micros(report.QuiesceUS))
	z.add("dump", micros(report.CRIUUS))
	z.add("rest", frozen-micros(report.QuiesceUS)-micros(report.CRIUUS))
	z.add("total", micros(report.TotalUS))
	z.add("pause", pause)
	z.Bytes = append(z.Bytes, report.Bytes)
	z.Sent = append(z.Sent, report.SentBytes)
	z.Recalled = append(z.Recalled, report.RecalledBytes)
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// plainMove has CRIU dump the program, which has a session of its own, copies the images and has CRIU restore it from the
// copy on the other host. The options are those that rock gives to CRIU; the connection is closed by that.
func plainMove(t testing.TB, criu string, z *size) {
	s := setUp(t, harness.Plain, z.Memory, &unix.SysProcAttr{Setsid: true})
	sent, came := filepath.Join(s.dir, "images"), filepath.Join(s.dir, "copy")
	if err := os.Mkdir(sent, 0o700); err != nil {
		t.Fatal(err)
	}
	options := "-v2 --tcp-close --network-lock skip --skip-in-flight --file-locks --link-remap --ext-unix-sk --manage-cgroups=ignore"
	// The shell on the host takes the time, so that going there is not in it.
	left := harness.Spec{Host: s.B, Argv: []string{"bash", "-ec", fmt.Sprintf(
		"echo $EPOCHREALTIME; %s dump -t %d -D %s -o dump.log %s; echo $EPOCHREALTIME; cp -a %s %s; echo $EPOCHREALTIME",
		criu, innermost(t, s.proc.Pid()), sent, options, sent, came)}}.Output(t)
	arrived := harness.Spec{Host: s.C, Argv: []string{"bash", "-ec", fmt.Sprintf(
		"echo $EPOCHREALTIME; %s restore -d -D %s -o restore.log %s </dev/null >/dev/null 2>&1; echo $EPOCHREALTIME",
		criu, came, options)}}.Output(t)
	pause := s.pause(t)
	s.whole(t)
	dump, copied, restore := between(t, left, 0), between(t, left, 1), between(t, arrived, 0)
	z.add("criu_dump", dump)
	z.add("criu_copy", copied)
	z.add("criu_restore", restore)
	z.add("criu", dump+copied+restore)
	z.add("criu_pause", pause)
}

// innermost is the process id of a process as it sees it itself.
func innermost(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); words[0] == "NSpid:" {
			n, _ := strconv.Atoi(words[len(words)-1]) // it is one
			return n
		}
	}
	t.Fatalf("the kernel does not say which number process %d has on its host", pid)
	return 0
}

// between is the time between two lines with the time, the first of which is line n.
func between(t testing.TB, text string, n int) time.Duration {
	t.Helper()
	var at [2]int64
	lines := strings.Fields(text)
	for i := range at {
		micro, err := strconv.ParseInt(strings.Replace(lines[n+i], ".", "", 1), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at[i] = micro
	}
	return micros(at[1] - at[0])
}
