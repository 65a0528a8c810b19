package migrate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rock/rocks/group"
)

const aToken = "00112233445566778899aabbccddeeff"

// begun makes the journal of a migration in a directory, with entries.
func begun(t *testing.T, states ...string) (j *journal, getenv func(string) string, place string) {
	t.Helper()
	staging := t.TempDir()
	place, err := placeOf(staging, aToken)
	if err != nil {
		t.Fatal(err)
	}
	if j, err = createJournal(place); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.close() })
	if err := os.MkdirAll(filepath.Join(place, imageDir, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if err := j.note(entry{State: s}); err != nil {
			t.Fatal(err)
		}
	}
	return j, func(name string) string {
		return map[string]string{"TMPDIR": staging}[name]
	}, place
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{nil, group.AnswerNever}, // it was on its way
		{[]string{stateCommitted}, group.AnswerNever},
		{[]string{stateNever}, group.AnswerNever},
		{[]string{stateCommitted, stateNever}, group.AnswerNever},
		{[]string{stateCommitted, stateRuns}, group.AnswerRuns},
	} {
		t.Run(strings.Join(tt.states, " "), func(t *testing.T) {
			j, getenv, place := begun(t, tt.states...)
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first answer is final
				got, err := Resolve(t.Context(), aToken, getenv)
				if err != nil || got != tt.want {
					t.Fatalf("got %q, %v, want %q", got, err, tt.want)
				}
			}
			if _, err := os.Stat(filepath.Join(place, imageDir)); !os.IsNotExist(err) {
				t.Errorf("the image, of no use any longer, is there (%v)", err)
			}
		})
	}
}

// Resolve waits for who works on the migration, and hears its last word, even if that is cut off by a crash.
func TestResolveWaits(t *testing.T) {
	j, getenv, place := begun(t, stateCommitted)
	supervisor, err := openJournal(filepath.Join(place, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	j.close()
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := Resolve(brief, aToken, getenv); err == nil {
		t.Fatalf("got %q while the supervisor is at work", got)
	}
	answered := make(chan string, 1)
	go func() {
		got, err := Resolve(t.Context(), aToken, getenv)
		if err != nil {
			got = err.Error()
		}
		answered <- got
	}()
	if err := supervisor.note(entry{State: stateRuns}); err != nil {
		t.Fatal(err)
	}
	if _, err := supervisor.f.WriteString(`{"state":"ne`); err != nil {
		t.Fatal(err)
	}
	supervisor.close()
	if got := <-answered; got != group.AnswerRuns {
		t.Errorf("got %q, want that it runs", got)
	}
}

// A token that names nothing was never accepted; one that is none is refused.
func TestResolveUnknown(t *testing.T) {
	staging := t.TempDir()
	getenv := func(string) string { return staging }
	if got, err := Resolve(t.Context(), aToken, getenv); err != nil || got != group.AnswerNever {
		t.Errorf("got %q, %v", got, err)
	}
	for _, token := range []string{"", "../../etc", "XYZ", strings.Repeat("0", 65)} {
		if got, err := Resolve(t.Context(), token, getenv); err == nil {
			t.Errorf("%q: got %q, want a refusal", token, got)
		}
	}
}

// A migration cannot be begun twice, and old ones are swept away unless somebody has a part in them.
func TestSweep(t *testing.T) {
	j, getenv, place := begun(t)
	if _, err := createJournal(place); err == nil {
		t.Error("begun twice")
	}
	old := time.Now().Add(-2 * sweepAge)
	age := func() {
		if err := os.Chtimes(place, old, old); err != nil {
			t.Fatal(err)
		}
	}
	there := func() bool {
		_, err := os.Stat(place)
		return err == nil
	}
	age()
	sweep(StagingDir(getenv), "00c0ffee")
	if !there() {
		t.Fatal("swept away under somebody's hands")
	}
	j.close()
	if err := os.Chtimes(place, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	sweep(StagingDir(getenv), "00c0ffee")
	if !there() {
		t.Fatal("a young one was swept away")
	}
	age()
	sweep(StagingDir(getenv), "00c0ffee")
	if there() {
		t.Error("an old one stays")
	}
}

// What a receiver that died has left of an image is swept away by the next, whole images only when their group comes again.
func TestSweepImages(t *testing.T) {
	for name, tt := range map[string]struct {
		state string // of the other migration
		id    string // of the group that comes now
		left  int
	}{
		"another group":        {stateArriving, "00000001", 2},
		"the group":            {stateArriving, "00c0ffee", 0},
		"in doubt before":      {stateNever, "00c0ffee", 0},
		"in doubt":             {stateNever, "00000001", 2},
		"died at the end":      {stateCommitted, "00000001", 2},
		"of no use any longer": {stateRuns, "00000001", 0},
	} {
		t.Run(name, func(t *testing.T) {
			j, getenv, place := begun(t)
			for _, dir := range []string{imagePrefix + "00c0ffee", "." + imagePrefix + "00c0ffee.draft-1-2"} {
				if err := os.MkdirAll(filepath.Join(place, imageDir, dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.note(entry{State: tt.state}); err != nil {
				t.Fatal(err)
			}
			sweep(StagingDir(getenv), tt.id)
			if left, _ := os.ReadDir(filepath.Join(place, imageDir)); len(left) != 3 {
				t.Fatalf("under somebody's hands, %v is left", left)
			}
			j.close()
			sweep(StagingDir(getenv), tt.id)
			if left, _ := os.ReadDir(filepath.Join(place, imageDir)); len(left) != tt.left {
				t.Errorf("%v is left, want %d", left, tt.left)
			}
			want := group.AnswerNever
			if tt.state == stateRuns {
				want = group.AnswerRuns
			}
			if answer, err := Resolve(t.Context(), aToken, getenv); err != nil || answer != want {
				t.Errorf("it is resolved as %q, %v, want %q", answer, err, want)
			}
		})
	}
}

// What is jotted down is there for others at once, before what is noted after it.
func TestJot(t *testing.T) {
	place := filepath.Join(t.TempDir(), "place")
	j, err := createJournal(place)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if err := j.jot(entry{State: stateArriving, Cell: "/a/cell"}); err != nil {
		t.Fatal(err)
	}
	other, err := openJournal(filepath.Join(place, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if got, err := other.last(); err != nil || got.State != stateArriving || got.Cell != "/a/cell" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := j.note(entry{State: stateCommitted}); err != nil {
		t.Fatal(err)
	}
	if got, err := other.last(); err != nil || got.State != stateCommitted || got.Cell != "/a/cell" {
		t.Errorf("got %+v, %v", got, err)
	}
}
