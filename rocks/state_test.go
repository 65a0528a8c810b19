package rocks

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"rock/rocks/wire"
)

func seqKey(first byte) (k Key) {
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

// fullState returns a valid State in which no field is zero.
func fullState() *State {
	return &State{
		ID:              wire.ID{0: 0xaa, 15: 0xbb},
		Role:            wire.RoleServer,
		Protocol:        1,
		Capabilities:    5,
		Epoch:           3,
		PeerEpoch:       2,
		PeerIncarnation: wire.Incarnation{1, 2, 3, 4, 5, 6, 7, 8},
		Generation:      math.MaxUint32 + 1,
		ClientKey:       seqKey(0x10),
		ServerKey:       seqKey(0x50),
		Acked:           1000,
		Sent:            1005,
		Flight:          []byte("hello"),
		Credit:          70000,
		Consumed:        math.MaxUint64 - 4,
		Received:        math.MaxUint64 - 1,
		Input:           []byte("abc"),
		Granted:         math.MaxUint64,
		FinSent:         true,
		FinReceived:     true,
		ReadClosed:      true,
		Closed:          true,
		ResetPending:    true,
		ResetReceived:   true,
		Local:           netip.MustParseAddrPort("10.0.0.1:80"),
		Remote:          netip.MustParseAddrPort("[2001:db8::1]:4000"),
		Dialed:          netip.MustParseAddrPort("[fe80::1%eth0]:80"),
		Peers:           []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("[2001:db8::2]:10")},
		Options: map[SocketOption][]byte{
			{Level: 6, Name: 18}: {0, 1, 0, 0},
			{Level: 1, Name: 9}:  {1, 0, 0, 0},
			{Level: -1, Name: 0}: nil,
		},
		Suspended:    time.Unix(1_700_000_000, 123_456_789).UTC(),
		Timeout:      72 * time.Hour,
		FlightLimit:  16 << 20,
		ReceiveLimit: 8 << 20,
	}
}

// goldenState is fullState as version 1 writes it. It must never change.
const goldenState = "" +
	"dc002401c410aa0000000000000000000000000000bb0201050302c4080102030405060708cf000000010000" +
	"0000c420101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2fc420505152535455" +
	"565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6fcd03e8cd03edc40568656c6c6fce00011170" +
	"cffffffffffffffffbcffffffffffffffffec403616263cfffffffffffffffffc3c2c3c3c3c3c3c4060a0000" +
	"015000c41220010db8000000000000000000000001a00fc416fe800000000000000000000000000001657468" +
	"30500092c406c00002010900c41220010db80000000000000000000000020a009393ff00c400930109c40401" +
	"000000930612c40400010000ce6553f100ce075bcd15cf0000ebbdb3ed0000ce01000000ce00800000"

func TestStateGolden(t *testing.T) {
	got, err := fullState().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(got) != goldenState {
		t.Errorf("encoding:\n got %x\nwant %s", got, goldenState)
	}
	want, err := hex.DecodeString(goldenState)
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if err := st.UnmarshalBinary(want); err != nil {
		t.Fatal(err)
	}
	full := fullState()
	full.Options[SocketOption{Level: -1}] = nil
	if !reflect.DeepEqual(&st, full) {
		t.Errorf("decoded:\n got %+v\nwant %+v", st, *full)
	}
}

// TestStateCoversStruct fails when a field is added to State and forgotten in
// the encoding: it looks for a field whose change the bytes do not show.
func TestStateCoversStruct(t *testing.T) {
	before, err := fullState().encode()
	if err != nil {
		t.Fatal(err)
	}
	typ := reflect.TypeFor[State]()
	for i := range typ.NumField() {
		st := fullState()
		reflect.ValueOf(st).Elem().Field(i).SetZero()
		after, err := st.encode()
		if err != nil {
			t.Fatal(err)
		}
		// FinAcked is false already: it excludes the flight log.
		if name := typ.Field(i).Name; bytes.Equal(before, after) && name != "FinAcked" {
			t.Errorf("%s is not encoded", name)
		}
	}
}

func TestStateRefusals(t *testing.T) {
	tests := []struct {
		field  string
		change func(*State)
	}{
		{"id", func(s *State) { s.ID = wire.ID{} }},
		{"role", func(s *State) { s.Role = 0 }},
		{"role", func(s *State) { s.Role = 3 }},
		{"protocol", func(s *State) { s.Protocol = 0 }},
		{"epoch", func(s *State) { s.Epoch = 0 }},
		{"peer epoch", func(s *State) { s.PeerEpoch = 0 }},
		{"client key", func(s *State) { s.ClientKey = Key{} }},
		{"server key", func(s *State) { s.ServerKey = Key{} }},
		{"server key", func(s *State) { s.ServerKey = s.ClientKey }},
		{"sent", func(s *State) { s.Sent = s.Acked - 1 }},
		{"flight", func(s *State) { s.Flight = s.Flight[1:] }},
		{"flight", func(s *State) { s.Flight = append(s.Flight, 0) }},
		{"received", func(s *State) { s.Received = s.Consumed - 1 }},
		{"input", func(s *State) { s.Input = nil }},
		{"input", func(s *State) { s.Received++ }},
		{"credit", func(s *State) { s.Credit = s.Acked - 1 }},
		{"granted", func(s *State) { s.Granted = s.Received - 1 }},
		{"flags", func(s *State) { s.FinAcked = true }},
		{"flags", func(s *State) { s.FinAcked, s.FinSent, s.Flight, s.Sent = true, false, nil, s.Acked }},
		{"flags", func(s *State) { s.FinSent, s.ResetPending, s.ResetReceived = false, false, false }},
		{"peers", func(s *State) { s.Peers = make([]netip.AddrPort, MaxPeers+1) }},
		{"peers", func(s *State) { s.Peers[0] = netip.AddrPort{} }},
		{"peers", func(s *State) { s.Peers[0] = netip.AddrPortFrom(s.Peers[0].Addr(), 0) }},
		{"options", func(s *State) { s.Options[SocketOption{}] = make([]byte, MaxOptionSize+1) }},
		{"options", func(s *State) {
			for i := range int32(MaxOptions) {
				s.Options[SocketOption{Level: 7, Name: i}] = nil
			}
		}},
		{"suspended", func(s *State) { s.Suspended = time.Time{} }},
		{"suspended", func(s *State) { s.Suspended = time.Unix(maxUnix+1, 0) }},
		{"timeout", func(s *State) { s.Timeout = 0 }},
		{"timeout", func(s *State) { s.Timeout = -1 }},
		{"flight limit", func(s *State) { s.FlightLimit = 0 }},
		{"receive limit", func(s *State) { s.ReceiveLimit = MaxStateSize }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d/%s", i, tt.field), func(t *testing.T) {
			st := fullState()
			tt.change(st)
			_, err := st.MarshalBinary()
			wantStateError(t, err, tt.field)
			// What MarshalBinary would not write, another writer might.
			data, err := st.encode()
			if err != nil {
				t.Fatal(err)
			}
			wantUnchanged(t, data, tt.field)
		})
	}
}

// wantStateError fails unless err is a StateError about field; "" is any.
func wantStateError(t *testing.T, err error, field string) {
	t.Helper()
	var se *StateError
	if !errors.As(err, &se) || field != "" && se.Field != field {
		t.Errorf("got error %v, want a StateError about %q", err, field)
	}
}

// wantUnchanged decodes data, which is wrong, into a State that must stay.
func wantUnchanged(t *testing.T, data []byte, field string) {
	t.Helper()
	st := fullState()
	wantStateError(t, st.UnmarshalBinary(data), field)
	if !reflect.DeepEqual(st, fullState()) {
		t.Error("a refused encoding changed the State")
	}
}

func TestStateMalformed(t *testing.T) {
	good, err := fullState().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		wantUnchanged(t, good[:n], "")
	}
	wantUnchanged(t, append(bytes.Clone(good), 0), "state")

	elements := func(change func(list []any) []any) []byte {
		var list []any
		if err := msgpack.Unmarshal(good, &list); err != nil {
			t.Fatal(err)
		}
		b, err := msgpack.Marshal(change(list))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := map[string]func([]any) []any{
		"a field too many":   func(l []any) []any { return append(l, 1) },
		"a field too few":    func(l []any) []any { return l[:len(l)-1] },
		"nil for bytes":      func(l []any) []any { l[13] = nil; return l },
		"nil for a flag":     func(l []any) []any { l[19] = nil; return l },
		"text for bytes":     func(l []any) []any { l[13] = "hello"; return l },
		"short key":          func(l []any) []any { l[9] = make([]byte, KeySize-1); return l },
		"long key":           func(l []any) []any { l[9] = make([]byte, KeySize+1); return l },
		"short id":           func(l []any) []any { l[1] = []byte{1}; return l },
		"role out of range":  func(l []any) []any { l[2] = 258; return l },
		"epoch out of range": func(l []any) []any { l[5] = uint64(math.MaxUint32) + 1; return l },
		"negative offset":    func(l []any) []any { l[11] = -1; return l },
		"nanoseconds over":   func(l []any) []any { l[32] = uint64(1_000_000_000); return l },
		"odd address":        func(l []any) []any { l[26] = []byte{1, 2, 3}; return l },
		"options reversed":   func(l []any) []any { o := l[30].([]any); o[0], o[1] = o[1], o[0]; return l },
		"option twice":       func(l []any) []any { o := l[30].([]any); o[0] = o[1]; return l },
		"option of two":      func(l []any) []any { o := l[30].([]any); o[0] = []any{1, 2}; return l },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) { wantUnchanged(t, elements(change), "") })
	}
}

func TestStateOtherVersion(t *testing.T) {
	for _, data := range [][]byte{{0x91, 0x02}, {0x92, 0xcd, 0x01, 0x00, 0xc0}, {0x91, 0x00}} {
		var ve *StateVersionError
		if err := fullState().UnmarshalBinary(data); !errors.As(err, &ve) {
			t.Errorf("%x: got error %v, want a StateVersionError", data, err)
		}
	}
}

// TestStateForgedLengths gives lengths that must not be allocated.
func TestStateForgedLengths(t *testing.T) {
	good, err := fullState().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(good, []byte("\xc4\x05hello"))
	forged := append(bytes.Clone(good[:at]), 0xc6, 0x3f, 0xff, 0xff, 0xff)
	forged = append(forged, good[at+2:]...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantUnchanged(t, forged, "flight")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes allocated for a forged length", n)
	}
}

func TestStateHidesSecrets(t *testing.T) {
	st := fullState()
	st.Flight = []byte("payload-in-flight")
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("state", "state", st, "key", st.ClientKey, "keys", []Key{st.ClientKey})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
		fmt.Fprintf(&log, verb+verb, st.ClientKey, struct{ K Key }{st.ServerKey})
	}
	if err := json.NewEncoder(&log).Encode(st.ServerKey); err != nil {
		t.Fatal(err)
	}
	for _, key := range []Key{st.ClientKey, st.ServerKey} {
		for _, form := range []string{string(key[:8]), hex.EncodeToString(key[:8]), strings.Trim(fmt.Sprint(key[:4]), "[]")} {
			if strings.Contains(strings.ToLower(log.String()), form) {
				t.Errorf("a key shows as %q in:\n%s", form, log.String())
			}
		}
	}
	if strings.Contains(log.String(), "payload") {
		t.Error("payload shows in the log")
	}
}

// FuzzState checks that nothing but what MarshalBinary writes is accepted.
func FuzzState(f *testing.F) {
	full, err := fullState().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	small := fullState()
	small.Flight, small.Input, small.Peers, small.Options = nil, nil, nil, nil
	small.Sent, small.Consumed = small.Acked, small.Received
	small.Local, small.Remote, small.Dialed = netip.AddrPort{}, netip.AddrPort{}, netip.AddrPort{}
	bare, err := small.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add(bare)
	f.Add(full[:len(full)/2])
	f.Add([]byte{0x91, 0x02})
	f.Fuzz(func(t *testing.T, data []byte) {
		var st State
		if err := st.UnmarshalBinary(data); err != nil {
			var se *StateError
			var ve *StateVersionError
			if !errors.As(err, &se) && !errors.As(err, &ve) {
				t.Fatalf("error %v has neither type", err)
			}
			if !reflect.DeepEqual(st, State{}) {
				t.Fatal("a refused encoding left something behind")
			}
			return
		}
		again, err := st.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("read and written again:\n got %x\nwant %x", again, data)
		}
	})
}

// TestStateFormatDocument holds the names and numbers of STATE.md against the
// decoder's.
func TestStateFormatDocument(t *testing.T) {
	doc, err := os.ReadFile("STATE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("array of %d elements", stateFields),
		fmt.Sprintf("| %d | receive limit |", stateFields-1),
		fmt.Sprintf("version %d\n", StateVersion),
	} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("STATE.md does not say %q", want)
		}
	}
}
