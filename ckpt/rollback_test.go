package ckpt

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
)

func TestCutGrown(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, kind survey.Kind, flags int) image.File {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return image.File{Path: path, Size: 5, Kind: string(kind), Flags: flags}
	}
	files := []image.File{
		file("written", "1234567", survey.KindRegular, unix.O_WRONLY),
		file("read and written", "1234567", survey.KindRegular, unix.O_RDWR),
		file("read", "1234567", survey.KindRegular, unix.O_RDONLY),
		file("log", "1234567", survey.KindAppend, unix.O_WRONLY|unix.O_APPEND),
		file("program", "1234567", survey.KindExe, unix.O_RDONLY),
		file("same", "12345", survey.KindRegular, unix.O_WRONLY),
		file("shorter", "123", survey.KindRegular, unix.O_WRONLY),
		{Path: filepath.Join(dir, "gone"), Size: 5, Kind: string(survey.KindRegular), Flags: unix.O_WRONLY},
	}
	if err := cutGrown(files); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files[:len(files)-1] {
		b, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(f.Path)] = string(b)
	}
	want := map[string]string{
		"written": "12345", "read and written": "12345", "read": "1234567", "log": "1234567", "program": "1234567",
		"same": "12345", "shorter": "123",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := os.Stat(files[len(files)-1].Path); err == nil {
		t.Error("a file that was gone has been made")
	}
}

func TestPreflightError(t *testing.T) {
	one := survey.Problem{PID: 7, Process: "job", What: "is on a horse", Remedy: "dismount"}
	two := survey.Problem{What: "the moon is full"}
	for _, tt := range []struct {
		problems []survey.Problem
		want     string
	}{
		{[]survey.Problem{one}, "no checkpoint: job (pid 7) is on a horse: dismount"},
		{[]survey.Problem{one, two}, "no checkpoint, for 2 reasons:\n  job (pid 7) is on a horse: dismount\n  the moon is full"},
	} {
		if got := preflight("checkpoint", tt.problems).Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if err := preflight("checkpoint", nil); err != nil {
		t.Errorf("without problems: %v", err)
	}
}

func TestCheckSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "made", "yet")
	if p := checkSpace(dir, 0); len(p) != 0 {
		t.Errorf("for nothing: %v", p)
	}
	if p := checkSpace(dir, 1<<60); len(p) != 1 {
		t.Errorf("for an exbibyte: %v", p)
	}
}

func TestRestoreOptions(t *testing.T) {
	for _, o := range []RestoreOptions{{}, {ResetRefused: true}, {CutGrown: true}} {
		if got, err := decodeRestoreOptions(o.Encode()); err != nil || got != o {
			t.Errorf("got %+v, %v, want %+v", got, err, o)
		}
	}
	if _, err := decodeRestoreOptions([]byte("{")); err == nil {
		t.Error("half an object was decoded")
	}
	if o, err := decodeRestoreOptions(nil); err != nil || o != (RestoreOptions{}) {
		t.Errorf("of nothing: %+v, %v", o, err)
	}
}
