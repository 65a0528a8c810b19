package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// fill returns n bytes that all have the value v.
func fill(dst []byte, v byte) {
	for i := range dst {
		dst[i] = v
	}
}

var testAddrs = Addresses{Port: 0x1234, Addrs: []netip.Addr{
	netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
}}

const addrsHex = "1234 02 04 c0000201 06 20010db8000000000000000000000001"

// goldenMessages pins the bytes of each message. A change here is a new protocol version.
func goldenMessages() []struct {
	m   Message
	hex string
} {
	id := ID{0: 0xaa, 15: 0xbb}
	const idHex = "aa 0000000000000000000000000000 bb"
	inst, inc := Instance{0: 1, 7: 2}, Incarnation{0: 3, 7: 4}
	const instHex, incHex = "0100000000000002", "0300000000000004"
	var key [KeySize]byte
	var nonce [NonceSize]byte
	var mac [MACSize]byte
	fill(key[:], 5)
	fill(nonce[:], 6)
	fill(mac[:], 7)
	keyHex, nonceHex, macHex := strings.Repeat("05", 32), strings.Repeat("06", 32), strings.Repeat("07", 32)
	head := func(rest string) string { return "f2726f636b0d0a00 01 " + rest }
	return []struct {
		m   Message
		hex string
	}{
		{&Announcement{Versions{1, 2}, 3, inst, true}, head("01 000f 01 02 00000003" + instHex + "01")},
		{
			&Hello{id, Versions{1, 1}, 9, inst, inc, key, nonce, 1 << 32, testAddrs},
			head("02 0087" + idHex + "01 01 00000009" + instHex + incHex + keyHex + nonceHex + "0000000100000000" + addrsHex),
		},
		{
			&Welcome{id, 1, 9, inst, inc, key, nonce, 2, testAddrs, mac},
			head("03 00a6" + idHex + "01 00000009" + instHex + incHex + keyHex + nonceHex + "0000000000000002" + addrsHex + macHex),
		},
		{
			&Resume{id, RoleServer, 2, inc, 3, 4, nonce, Addresses{}},
			head("04 004c" + idHex + "02 00000002" + incHex + "00000003 0000000000000004" + nonceHex + "0000 00"),
		},
		{
			&Challenge{2, inc, 3, 4, 5, 6, nonce, testAddrs, mac},
			head("05 0081 00000002" + incHex + "00000003 0000000000000004 0000000000000005 0000000000000006" +
				nonceHex + addrsHex + macHex),
		},
		{&Proof{1, 2, 3, mac}, head("06 0038 0000000000000001 0000000000000002 0000000000000003" + macHex)},
		{&Commit{3, mac}, head("07 0028 0000000000000003" + macHex)},
		{
			&Refuse{ReasonMoved, Versions{1, 1}, testAddrs, mac},
			head("08 003c 08 01 01" + addrsHex + macHex),
		},
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessageGolden(t *testing.T) {
	for _, tt := range goldenMessages() {
		t.Run(tt.m.Type().String(), func(t *testing.T) {
			want := unhex(t, tt.hex)
			got := AppendMessage(nil, tt.m)
			if !bytes.Equal(got, want) {
				t.Fatalf("encoded\n got %x\nwant %x", got, want)
			}
			m, raw, err := ReadMessage(io.MultiReader(bytes.NewReader(got), strings.NewReader("next")))
			if err != nil || !reflect.DeepEqual(m, tt.m) || !bytes.Equal(raw, want) {
				t.Errorf("read %+v, %x, %v; want %+v", m, raw, err, tt.m)
			}
		})
	}
}

// TestMessageStrict changes every byte and cuts at every length: what is still accepted must encode as it came.
func TestMessageStrict(t *testing.T) {
	for _, tt := range goldenMessages() {
		good := unhex(t, tt.hex)
		for n := range good {
			if _, _, err := ParseMessage(good[:n]); !errors.Is(err, ErrShort) {
				t.Errorf("%v cut to %d bytes: got %v, want ErrShort", tt.m.Type(), n, err)
			}
		}
		for i := range good {
			for _, v := range []byte{0, 1, 0x7f, 0xff, good[i] ^ 1} {
				b := bytes.Clone(good)
				b[i] = v
				checkMessage(t, b)
			}
		}
	}
}

// checkMessage parses b and checks that one meaning has one encoding.
func checkMessage(t *testing.T, b []byte) {
	t.Helper()
	m, n, err := ParseMessage(b)
	if err != nil {
		if m != nil {
			t.Errorf("%x: message and error %v", b, err)
		}
		return
	}
	if again := AppendMessage(nil, m); !bytes.Equal(again, b[:n]) {
		t.Errorf("decoded and encoded again\n got %x\nfrom %x", again, b[:n])
	}
}

func TestMessageRefused(t *testing.T) {
	var version *VersionError
	var format *FormatError
	tests := []struct {
		name, hex string
		as        any
		is        error
	}{
		{name: "other protocol", hex: "5353482d322e302d4f70656e", is: ErrMagic},
		{name: "version 0", hex: "f2726f636b0d0a00 00 07 0000", as: &version},
		{name: "version 2", hex: "f2726f636b0d0a00 02 07 0000", as: &version},
		{name: "unknown type", hex: "f2726f636b0d0a00 01 63 0000", as: &format},
		{name: "too long", hex: "f2726f636b0d0a00 01 02 0401", as: &format},
		{name: "trailing byte", hex: "f2726f636b0d0a00 01 07 0029" + strings.Repeat("00", 41), as: &format},
		{name: "too short", hex: "f2726f636b0d0a00 01 07 0027" + strings.Repeat("00", 39), as: &format},
		{name: "empty version range", hex: "f2726f636b0d0a00 01 01 000f 02 01 00000000 0000000000000000 00", as: &format},
		{name: "held is 2", hex: "f2726f636b0d0a00 01 01 000f 01 01 00000000 0000000000000000 02", as: &format},
		{name: "reason 0", hex: "f2726f636b0d0a00 01 08 0026 00 01 01 0000 00" + strings.Repeat("00", 32), as: &format},
		{name: "mapped address", hex: "f2726f636b0d0a00 01 08 0037 01 01 01 0000 01 06 00000000000000000000ffff01020304" +
			strings.Repeat("00", 32), as: &format},
		{name: "33 addresses", hex: "f2726f636b0d0a00 01 08 00cb 01 01 01 0000 21" + strings.Repeat("0401020304", 33) +
			strings.Repeat("00", 32), as: &format},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseMessage(unhex(t, tt.hex))
			if tt.is != nil && !errors.Is(err, tt.is) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("got %v (%T)", err, err)
			}
		})
	}
}

// TestLargestMessage checks that MaxBody leaves room for what may be sent.
func TestLargestMessage(t *testing.T) {
	var a Addresses
	for i := range 2 * MaxAddrs {
		a.Addrs = append(a.Addrs, netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}))
	}
	for _, m := range []Message{&Welcome{ID: ID{1}, Version: 1, Addresses: a}, &Challenge{Epoch: 1, PeerEpoch: 1, Addresses: a}} {
		b := AppendMessage(nil, m)
		if len(b) > HeaderSize+MaxBody {
			t.Errorf("%v has %d bytes", m.Type(), len(b))
		}
		checkMessage(t, b)
		if _, _, err := ParseMessage(b); err != nil {
			t.Error(err)
		}
	}
}

func TestMagic(t *testing.T) {
	if HasMagic([]byte(Magic[:7])) || !HasMagic([]byte(Magic+"x")) {
		t.Error("HasMagic is wrong")
	}
	for n := range MagicSize {
		if !MayBeMagic([]byte(Magic[:n])) {
			t.Errorf("the first %d bytes may be magic", n)
		}
	}
	if MayBeMagic([]byte("\xf2rock\r\n\x01")) || MayBeMagic([]byte("S")) {
		t.Error("other bytes can not be magic")
	}
}

func TestVersionsCommon(t *testing.T) {
	tests := []struct {
		a, b Versions
		want uint8
		ok   bool
	}{
		{Versions{1, 1}, Versions{1, 1}, 1, true},
		{Versions{1, 3}, Versions{2, 5}, 3, true},
		{Versions{1, 2}, Versions{3, 4}, 2, false},
	}
	for _, tt := range tests {
		if got, ok := tt.a.Common(tt.b); got != tt.want || ok != tt.ok {
			t.Errorf("%v with %v: got %d, %v", tt.a, tt.b, got, ok)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, tt := range goldenMessages() {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkMessage(t, b)
		m, raw, err := ReadMessage(bytes.NewReader(b))
		if err == nil && !bytes.Equal(raw, AppendMessage(nil, m)) {
			t.Errorf("read %x, message is %x", raw, AppendMessage(nil, m))
		}
	})
}
