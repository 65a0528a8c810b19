package ckpt

import (
	"net"
	"strings"
	"testing"

	"rock/ckpt/image"
)

func TestCheckPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		address string
		want    []string // nil: it is free
	}{
		{"127.0.0.1:0", nil},
		{"0.0.0.0:0", nil},
		{taken.Addr().String(), []string{taken.Addr().String() + ", which is taken here", "end what listens there (see ss -tlnp"}},
		{"192.0.2.1:80", []string{"does not have the address 192.0.2.1", "all addresses (0.0.0.0 or ::)", "ip addr add"}},
		{"nonsense", []string{"listens on nonsense, which is not possible here: "}},
	} {
		if got := checkPorts([]image.Listener{{Address: tt.address}}, true); len(got) > 0 != (tt.want != nil && !strings.HasPrefix(tt.address, "192.0.2.")) {
			t.Errorf("%s, though it need not be of this host: got %v", tt.address, got)
		}
		problems := checkPorts([]image.Listener{{Address: tt.address}}, false)
		if tt.want == nil {
			if len(problems) != 0 {
				t.Errorf("%s: got %v", tt.address, problems)
			}
			continue
		}
		if len(problems) != 1 {
			t.Errorf("%s: got %v, want one problem", tt.address, problems)
			continue
		}
		for _, text := range tt.want {
			if got := problems[0].String(); !strings.Contains(got, text) {
				t.Errorf("%s: got %s, want %q in it", tt.address, got, text)
			}
		}
	}
}
