package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// A program whose memory changes all the time moves over a slow link, there and back. What it had written is what it finds, and most of
// its memory went ahead. ROCK_TEST_PRECOPY_MIB and ROCK_TEST_PRECOPY_RATE, in MB/s, are for measuring.
func TestMigratePrecopy(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	size, rate := int64(64), int64(100) // MiB, MB/s
	if n, err := strconv.ParseInt(os.Getenv("ROCK_TEST_PRECOPY_MIB"), 10, 64); err == nil {
		size = n
	}
	if n, err := strconv.ParseInt(os.Getenv("ROCK_TEST_PRECOPY_RATE"), 10, 64); err == nil {
		rate = n
	}
	l := lab.New(t, lab.Apart)
	end := filepath.Join(harness.TempDir(t), "end")
	p := harness.Spec{Host: l.A, Side: harness.Rock, Name: "rewrite", Travels: true, Argv: []string{harness.Program(t, "rewrite"),
		"-size", strconv.FormatInt(size, 10), "-rate", "5", "-until", end}}.Start(t)
	p.WaitOutput(t, "ready")
	p.WaitOutput(t, "written")
	for _, to := range []*lab.Host{l.B, l.A, l.B} {
		slow := harness.Program(t, "throttle") + " " + strconv.FormatInt(rate, 10) + " " + harness.Receive(t, to)
		r := p.Move(t, to, "--exec", slow)
		t.Logf("frozen %.1f ms of %.1f, %.1f MB before it stood still in %d rounds, %.1f MB of the image not sent again, %.1f MB sent",
			float64(r.FrozenUS)/1e3, float64(r.TotalUS)/1e3, float64(r.PrecopiedBytes)/1e6, r.Rounds, float64(r.RecalledBytes)/1e6, float64(r.SentBytes)/1e6)
		if half := size << 20 / 2; r.Rounds == 0 || r.PrecopiedBytes < half || r.RecalledBytes < half {
			t.Errorf("%d bytes were sent ahead in %d rounds, and the image has %d of them, want at least %d, the half that does not change",
				r.PrecopiedBytes, r.Rounds, r.RecalledBytes, half)
		}
	}
	if err := os.WriteFile(end, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p.WaitOutput(t, "good: ")
}
