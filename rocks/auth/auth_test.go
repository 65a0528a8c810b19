package auth

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// born makes the keys of both ends of a rock.
func born(t *testing.T) (client, server Keys) {
	t.Helper()
	a, errA := NewPrivateKey()
	b, errB := NewPrivateKey()
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	salt := Transcript{}.Add([]byte("hello")).Hash()
	client, errA = Derive(a, b.Public(), salt)
	server, errB = Derive(b, a.Public(), salt)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	return client, server
}

func TestDerive(t *testing.T) {
	client, server := born(t)
	if client != server {
		t.Error("the ends have different keys")
	}
	if client.Client == client.Server {
		t.Error("both directions have the same key")
	}
	other, _ := born(t)
	if other.Client == client.Client || other.Server == client.Server {
		t.Error("two rocks have the same keys")
	}
}

func TestDeriveDependsOnSalt(t *testing.T) {
	a, _ := NewPrivateKey()
	b, _ := NewPrivateKey()
	k1, _ := Derive(a, b.Public(), Transcript{}.Add([]byte("1")).Hash())
	k2, _ := Derive(a, b.Public(), Transcript{}.Add([]byte("2")).Hash())
	if k1.Client == k2.Client || k1.Server == k2.Server {
		t.Error("the keys do not depend on what was said")
	}
}

func TestDeriveRefusesLowOrderKey(t *testing.T) {
	a, _ := NewPrivateKey()
	if _, err := Derive(a, [PublicKeySize]byte{}, [32]byte{}); err == nil {
		t.Error("the zero key was accepted")
	}
	if _, err := Derive(a, [PublicKeySize]byte{0: 1}, [32]byte{}); err == nil {
		t.Error("a key of low order was accepted")
	}
}

func TestVerify(t *testing.T) {
	client, server := born(t)
	heard := Transcript{}.Add([]byte("resume")).Add([]byte("challenge"))
	message := []byte("proof: received, limit, generation")
	mac := client.Sum(ClientSide, LabelProof, heard, message)
	tests := []struct {
		name    string
		keys    Keys
		side    Side
		label   Label
		t       Transcript
		message string
		want    bool
	}{
		{"right", server, ClientSide, LabelProof, heard, string(message), true},
		{"reflected to its maker", client, ServerSide, LabelProof, heard, string(message), false},
		{"used as something else", server, ClientSide, LabelCommit, heard, string(message), false},
		{"replayed to another nonce", server, ClientSide, LabelProof, Transcript{}.Add([]byte("resume")).Add([]byte("Challenge")), string(message), false},
		{"messages in other order", server, ClientSide, LabelProof, Transcript{}.Add([]byte("challenge")).Add([]byte("resume")), string(message), false},
		{"messages joined", server, ClientSide, LabelProof, Transcript{}.Add([]byte("resumechallenge")), string(message), false},
		{"other content", server, ClientSide, LabelProof, heard, "proof: received, limit, generatioN", false},
		{"other keys", func() Keys { k, _ := born(t); return k }(), ClientSide, LabelProof, heard, string(message), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.keys.Verify(tt.side, tt.label, tt.t, []byte(tt.message), mac); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for i := range mac {
		bad := mac
		bad[i] ^= 1
		if server.Verify(ClientSide, LabelProof, heard, message, bad) {
			t.Errorf("a MAC with byte %d changed was accepted", i)
		}
	}
}

// TestSumGolden pins the computation, which is part of the protocol.
func TestSumGolden(t *testing.T) {
	keys := Keys{Client: [KeySize]byte{0: 1}, Server: [KeySize]byte{0: 2}}
	heard := Transcript{}.Add([]byte("resume"))
	for side, want := range map[Side]string{
		ClientSide: goldenClient,
		ServerSide: goldenServer,
	} {
		mac := keys.Sum(side, LabelChallenge, heard, []byte("challenge"))
		if got := hex.EncodeToString(mac[:]); got != want {
			t.Errorf("side %v:\n got %s\nwant %s", side, got, want)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	keys, _ := born(t)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "keys", keys)
	for _, s := range []string{fmt.Sprint(keys), fmt.Sprintf("%x %#v %s", keys, keys, keys), log.String()} {
		if strings.Contains(s, hex.EncodeToString(keys.Client[:4])) || !strings.Contains(s, "(keys)") {
			t.Errorf("printed as %q", s)
		}
	}
}
