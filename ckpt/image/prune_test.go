package image

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPrune(t *testing.T) {
	parent := t.TempDir()
	at := func(name string, second int64) string {
		dir := filepath.Join(parent, name)
		commit(t, dir, &Manifest{Created: time.Unix(second, 0)})
		return dir
	}
	at("web-3", 30)
	at("web-1", 50) // the manifest's time counts, not the name
	at("web-2", 10)
	at("web-4", 20)
	at("mail-1", 1)
	used := open(t, at("web-0", 5))
	for _, dir := range []string{"web-broken", ".web-.draft-1-2", ".web-.pruned-1", ".web-hidden"} {
		if err := os.Mkdir(filepath.Join(parent, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(parent, "web-", 2); err != nil {
		t.Fatal(err)
	}
	wantNames(t, parent, ".web-.draft-1-2", ".web-hidden", "mail-1", "web-0", "web-1", "web-3", "web-broken")
	if err := used.Verify(t.Context(), nil); err != nil {
		t.Errorf("an image in use was damaged: %v", err)
	}
	used.Close()
	for range 2 {
		if err := Prune(parent, "web-", 1); err != nil {
			t.Fatal(err)
		}
		wantNames(t, parent, ".web-.draft-1-2", ".web-hidden", "mail-1", "web-1", "web-broken")
	}
	if Prune(parent, "web-", -1) == nil {
		t.Error("a negative number was accepted")
	}
	if Prune(filepath.Join(parent, "none"), "", 1) == nil {
		t.Error("a missing directory was accepted")
	}
}
