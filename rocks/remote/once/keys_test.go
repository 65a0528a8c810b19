package once

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0"

func TestKeys(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, before := range []string{"", "ssh-rsa AAAA me@home\n", "ssh-rsa AAAA me@home"} {
		home := t.TempDir()
		path := filepath.Join(home, ".ssh", "authorized_keys")
		if before != "" {
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		k := inHome(home)
		k.zone = time.FixedZone("", 3600)
		line, err := k.add(someKey, []string{`from="127.0.0.1"`}, "abc", now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		want := `from="127.0.0.1",expiry-time="20270115090100" ` + someKey + ` rockd-once-1800000060-abc`
		if line != want {
			t.Errorf("got %s, want %s", line, want)
		}
		old, err := k.add(someKey, nil, "def", now.Add(-time.Minute)) // left by a rockd that was killed
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if got := string(text); err != nil || got != strings.TrimSuffix(before, "\n")+strings.Repeat("\n", min(len(before), 1))+line+"\n"+old+"\n" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := k.remove(now, line); err != nil {
			t.Fatal(err)
		}
		text, err = os.ReadFile(path)
		if got := string(text); err != nil || strings.TrimSuffix(got, "\n") != strings.TrimSuffix(before, "\n") {
			t.Errorf("got %q, %v, want %q", got, err, before)
		}
		if st, err := os.Stat(path); err != nil || before != "" && st.Mode().Perm() != 0o640 {
			t.Errorf("got %v, %v", st.Mode(), err)
		}
	}
}

func TestKeysRefused(t *testing.T) {
	k := inHome(t.TempDir())
	for _, key := range []string{"", "ssh-ed25519", someKey + "\n" + someKey, someKey + " comment", `command="sh" ` + someKey} {
		if line, err := k.add(key, nil, "abc", time.Now()); err == nil {
			t.Errorf("%q: let in as %q", key, line)
		}
	}
	if _, err := os.Stat(k.path); err == nil {
		t.Error("the file was made for a key that is none")
	}
}

// A file that is a link stays one.
func TestKeysLinked(t *testing.T) {
	home := t.TempDir()
	k := inHome(home)
	if err := os.MkdirAll(filepath.Dir(k.path), 0o700); err != nil {
		t.Fatal(err)
	}
	real := filepath.Join(home, "keys")
	if err := os.WriteFile(real, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, k.path); err != nil {
		t.Fatal(err)
	}
	line, err := k.add(someKey, nil, "abc", time.Now())
	text, readErr := os.ReadFile(real)
	if err != nil || readErr != nil || string(text) != line+"\n" {
		t.Errorf("got %q, %v, %v", text, err, readErr)
	}
}
