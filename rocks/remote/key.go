package remote

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// key is a pair of keys made for one occasion.
type key struct {
	file   string // with the private half, which never leaves this host
	public string // without a comment
}

func newKey(ctx context.Context, dir, name string) (*key, error) {
	file := filepath.Join(dir, name)
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("make a key: ssh-keygen: %w: %s", err, strings.TrimSpace(string(out)))
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &key{file, strings.TrimSpace(string(public))}, nil
}

// options are those by which ssh uses it before all others.
func (k *key) options() []string {
	return []string{"-oIdentityFile=" + literal(k.file), "-oPubkeyAuthentication=yes",
		"-oPreferredAuthentications=publickey,keyboard-interactive,password"}
}
