package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// The server has a dynamic name, which a rule of the client's names. Both ends get other addresses while they are apart. When the
// name stands for the server's new one, the client finds it.
func TestTransferNameChange(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.OnePath, lab.Apart)
	etc := l.A.Private("/etc")
	name := func() {
		t.Helper()
		hosts := fmt.Sprintf("127.0.0.1 localhost\n%v server.example\n", l.B.Addr(1))
		if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte(hosts), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name()
	config := filepath.Join(harness.TempDir(t), "config.toml")
	if err := os.WriteFile(config, []byte("[[rule]]\nhost = \"server.example\"\naction = \"detect\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tr := harness.TransferSpec{Server: l.B, Client: l.A, ServerSide: harness.Rock, ClientSide: harness.Rock, Keep: true,
		Endless: true, Rate: transferRate / 4, ClientEnv: []string{"ROCK_CONFIG=" + config}}.Start(t)
	tr.Flows(t)
	separate(t, l)
	l.A.Plug(1)
	l.B.Plug(1)
	name()
	since(t, l.A, "established")
	tr.Flows(t)
	tr.Finish(t)
}
