package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// apart is a transfer of which both ends are in images.
func apart(t *testing.T) (l *lab.Lab, tr *harness.Transfer, client, server string) {
	t.Helper()
	harness.SkipUnlessPlain(t, harness.Rock)
	l = lab.New(t)
	tr = harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock,
		Bytes: transferBytes / 2, Rate: transferRate / 4, ServerName: "server", ClientName: "client"}.Start(t)
	tr.WaitReceived(t, transferBytes/20)
	return l, tr, into(t, tr.Client, l.A, "client"), into(t, tr.Server, l.B, "server")
}

// into writes the group of a program into an image.
func into(t *testing.T, p *harness.Proc, h *lab.Host, name string) (image string) {
	t.Helper()
	image = filepath.Join(harness.TempDir(t), "image")
	harness.Checkpoint(t, h, name, image).Output(t)
	p.Stopped(t)
	return image
}

// Two groups that talk to each other are taken off two hosts and brought back on a third, of which neither knows. It is enough
// that one of them looks for the other there.
func TestLocalhost(t *testing.T) {
	t.Parallel()
	looks := []string{"-l"}
	for _, tt := range []struct {
		name           string
		client, server []string // options of restore
	}{
		{"both look", looks, looks},
		{"the client looks", looks, nil},
		{"the server looks", nil, looks},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, tr, client, server := apart(t)
			tr.Server = harness.Restore(t, l.C, server, tt.server...).Start(t)
			tr.Client = harness.Restore(t, l.C, client, tt.client...).Start(t)
			tr.Finish(t)
		})
	}
}

// The same without -l: the ends look where the other was, and do not find it. The images made of them then are as good as the first.
func TestLocalhostNot(t *testing.T) {
	t.Parallel()
	l, tr, client, server := apart(t)
	tr.Server = harness.Restore(t, l.C, server).Start(t)
	tr.Client = harness.Restore(t, l.C, client).Start(t)
	harness.Until(t, "two rocks that have looked for each other in vain", func() bool {
		res := harness.Spec{Host: l.C, Argv: []string{harness.Program(t, "rockctl"), "conns", "--json"}}.Run(t)
		var all []conn
		if res.Code != 0 || json.Unmarshal([]byte(res.Stdout), &all) != nil {
			return false // one of the groups does not answer yet
		}
		looked := 0
		for _, c := range all {
			if c.State != "suspended" {
				t.Fatalf("without -l a rock is %s", c.State)
			}
			if c.Error != "" {
				looked++
			}
		}
		return looked == 2
	})
	client, server = into(t, tr.Client, l.C, "client"), into(t, tr.Server, l.C, "server")
	tr.Server = harness.Restore(t, l.C, server, "-l").Start(t)
	tr.Client = harness.Restore(t, l.C, client, "-l").Start(t)
	tr.Finish(t)
}

// Two groups of a host that loses all networks, and with them the addresses of their rock's link, go on over loopback.
func TestLocalhostUnplugged(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t)
	log := filepath.Join(harness.TempDir(t), "log")
	tr := harness.TransferSpec{Server: l.A, Client: l.A, ServerSide: harness.Rock,
		ClientPrefix: []string{harness.Program(t, "rock"), "-l", "--log", log},
		Bytes:        transferBytes / 4, Rate: transferRate / 8}.Start(t)
	tr.WaitReceived(t, transferBytes/20)
	for path := range lab.Paths {
		l.A.Unplug(path + 1)
	}
	tr.Flows(t)
	tr.Finish(t)
	// Without -l the old addresses are tried in the end, which the host still has.
	if b, err := os.ReadFile(log); err != nil || !regexp.MustCompile(`rock established.*remote=127\.0\.0\.1:`).Match(b) {
		t.Errorf("no link was made over loopback, error %v:\n%s", err, b)
	}
}
