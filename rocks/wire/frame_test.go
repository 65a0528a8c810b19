package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// goldenFrames pins the bytes of each frame. A change here is a new protocol version.
var goldenFrames = []struct {
	f   Frame
	hex string
}{
	{Data{Offset: 1 << 40, Payload: []byte("hi")}, "01 00000a 0000010000000000 6869"},
	{Ack{Received: 1, Limit: 2}, "02 000010 0000000000000001 0000000000000002"},
	{Ping{Token: 3}, "03 000008 0000000000000003"},
	{Pong{Token: 4}, "04 000008 0000000000000004"},
	{Fin{Offset: 5}, "05 000008 0000000000000005"},
	{Reset{Code: ResetUnread}, "06 000001 02"},
	{Moved{Addresses: testAddrs}, "07 000019" + addrsHex},
	{AddressUpdate{}, "08 000003 0000 00"},
}

func TestFrameGolden(t *testing.T) {
	for _, tt := range goldenFrames {
		t.Run(tt.f.FrameType().String(), func(t *testing.T) {
			want := unhex(t, tt.hex)
			if got := AppendFrame(nil, tt.f); !bytes.Equal(got, want) {
				t.Fatalf("encoded\n got %x\nwant %x", got, want)
			}
			got, n, err := ParseFrame(append(want, "next"...))
			if err != nil || n != len(want) || !reflect.DeepEqual(got, tt.f) {
				t.Errorf("decoded %+v, %d, %v; want %+v", got, n, err, tt.f)
			}
			for i := range want {
				if _, _, err := ParseFrame(want[:i]); !errors.Is(err, ErrShort) {
					t.Errorf("cut to %d bytes: got %v, want ErrShort", i, err)
				}
			}
		})
	}
}

func TestDataHeader(t *testing.T) {
	head := AppendDataHeader(nil, 7, 3)
	whole := AppendFrame(nil, Data{Offset: 7, Payload: []byte("abc")})
	if len(head) != DataHeaderSize || !bytes.Equal(append(head, "abc"...), whole) {
		t.Errorf("got %x, want %x", head, whole)
	}
	if got := ParseDataOffset(whole[FrameHeaderSize:]); got != 7 {
		t.Errorf("offset: got %d, want 7", got)
	}
}

func TestFrameRefused(t *testing.T) {
	for name, h := range map[string]string{
		"type 0":         "00 000000",
		"type 9":         "09 000000",
		"empty data":     "01 000008 0000000000000000",
		"too much data":  "01 040009",
		"short ack":      "02 00000f",
		"long ping":      "03 000009",
		"reset code 4":   "06 000001 04",
		"no addresses":   "08 000002",
		"address count":  "08 000003 0000 01",
		"address family": "08 000008 0000 01 05 01020304",
		"trailing":       "08 000004 0000 00 00",
		"huge":           "08 ffffff",
	} {
		var format *FormatError
		if _, _, err := ParseFrame(unhex(t, h)); !errors.As(err, &format) {
			t.Errorf("%s: got %v, want a FormatError", name, err)
		}
	}
}

// TestNumbers pins the numbers that travel.
func TestNumbers(t *testing.T) {
	types := "announcement hello welcome resume challenge proof commit refuse"
	for i, name := range strings.Fields(types) {
		if got := Type(i + 1).String(); got != name {
			t.Errorf("message type %d: got %s, want %s", i+1, got, name)
		}
	}
	frames := "data ack ping pong fin reset moved addresses"
	for i, name := range strings.Fields(frames) {
		if got := FrameType(i + 1).String(); got != name {
			t.Errorf("frame type %d: got %s, want %s", i+1, got, name)
		}
	}
	reasons := "version,busy,unknown rock,stale epoch,rolled back,closed,superseded,moved"
	for i, name := range strings.Split(reasons, ",") {
		if got := Reason(i + 1).String(); got != name {
			t.Errorf("reason %d: got %s, want %s", i+1, got, name)
		}
	}
	if RoleClient != 1 || RoleServer != 2 || ResetDone != 0 || ResetProgram != 1 || ResetUnread != 2 || ResetLost != 3 {
		t.Error("a role or reset code has changed")
	}
}

func TestID(t *testing.T) {
	id := NewID()
	got, err := ParseID(id.String())
	if err != nil || got != id || id.IsZero() {
		t.Errorf("got %v, %v; want %v", got, err, id)
	}
	for _, s := range []string{"", "00", strings.Repeat("x", 32), strings.Repeat("0", 34)} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q is no id", s)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, tt := range goldenFrames {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, n, err := ParseFrame(b)
		if err != nil {
			return
		}
		if again := AppendFrame(nil, frame); !bytes.Equal(again, b[:n]) {
			t.Errorf("decoded and encoded again\n got %x\nfrom %x", again, b[:n])
		}
	})
}
