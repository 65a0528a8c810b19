package rendezvous

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"rock/rocks/wire"
)

func filled(b byte) (a [32]byte) {
	copy(a[:], bytes.Repeat([]byte{b}, 32))
	return a
}

// TestVectors holds the examples of RENDEZVOUS.md.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("RENDEZVOUS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(string(text), "## Examples")
	blocks := regexp.MustCompile(`(?m)(^ {4}.*\n)+`).FindAllString(examples, -1)
	i := NewIdentity(filled(1))
	r := i.Record(2, time.Minute, wire.Addresses{Port: 4000, Addrs: []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}})
	leave, join := r.leave(filled(2)), i.join(filled(2), filled(3))
	want := [][]byte{r.encode(), leave[len(leave)-64:], join[64:]}
	if len(blocks) != len(want) {
		t.Fatalf("RENDEZVOUS.md has %d examples, want %d", len(blocks), len(want))
	}
	for n, w := range want {
		if got := strings.Join(strings.Fields(blocks[n]), ""); got != hex.EncodeToString(w) {
			t.Errorf("example %d is %s, want %x", n+1, got, w)
		}
	}
	if back, err := decodeRecord(r.encode()); err != nil || back.Name() != i.Name() || !bytes.Equal(back.encode(), r.encode()) {
		t.Errorf("got %+v, %v", back, err)
	}
}
