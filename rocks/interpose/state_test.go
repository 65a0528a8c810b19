package interpose

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
	"golang.org/x/sys/unix"

	"rock/rocks"
)

// goldenState is the State that STATE.md shows.
func goldenState() *State {
	return &State{
		Version: 1, Home: netip.MustParseAddr("127.128.1.2"), Port: 40000,
		Rocks: []*rocks.State{},
		Legs: []LegState{{
			Place: Place{PID: 100, FD: 5}, Rock: -1, End: endReset, Family: unix.AF_INET,
			Local: netip.MustParseAddrPort("10.0.0.1:4000"), Remote: netip.MustParseAddrPort("10.0.0.2:80"),
			ToPeer: []byte("to"), ToProgram: []byte("from"), Left: true, NoRead: true,
			Options: []Option{{Level: 6, Name: 18, Value: []byte{1, 0, 0, 0}}},
		}},
		Listeners: []ListenerState{{
			Place: Place{PID: 100, FD: 3}, Family: unix.AF_INET6, Address: netip.MustParseAddrPort("[::]:80"), Backlog: 128,
			ReuseAddr: true, Waiting: []DeliveryState{}, Options: []Option{},
		}},
		Dials:  []DialState{{Place: Place{PID: 100, FD: 6}, Family: unix.AF_INET, Remote: netip.MustParseAddrPort("10.0.0.3:81")}},
		Failed: []FailedState{{Place: Place{PID: 101, FD: 7}, Family: unix.AF_INET, Remote: netip.MustParseAddrPort("10.0.0.4:82"), Errno: 111}},
		Bound:  []Place{{PID: 101, FD: 8}},
	}
}

// documentedState is the hexadecimal block of STATE.md.
func documentedState(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile("STATE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "## Example")
	block := strings.Join(strings.Fields(regexp.MustCompile(`(?m)(^ {4}.*\n)+`).FindString(example)), "")
	b, err := hex.DecodeString(block)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStateDocument(t *testing.T) {
	want := goldenState()
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if doc := documentedState(t); !bytes.Equal(b, doc) {
		t.Errorf("the state is\n%x\nSTATE.md says\n%x", b, doc)
	}
	got, err := DecodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStateRefused(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*State)
	}{
		{"it has version 2, this program reads version 1", func(st *State) { st.Version = 2 }},
		{"is no IPv4 loopback address", func(st *State) { st.Home = netip.MustParseAddr("10.0.0.1") }},
		{"leg 0 is on rock 0 of 0", func(st *State) { st.Legs[0].Rock = 0 }},
		{`leg 0 has no rock and ends with ""`, func(st *State) { st.Legs[0].End = "" }},
		{"leg 0 has address family 1", func(st *State) { st.Legs[0].Family = 1 }},
		{"leg 0 is at descriptor -5 of process 100", func(st *State) { st.Legs[0].Place.FD = -5 }},
		{"leg 0 is closed by the program and has no end", func(st *State) { st.Legs[0].Place, st.Legs[0].Left = Place{}, false }},
		{"listener 0 has no address", func(st *State) { st.Listeners[0].Address = netip.AddrPort{} }},
		{"listener 0 is at descriptor 3 of process 0", func(st *State) { st.Listeners[0].Place.PID = 0 }},
		{"delivery 0 of listener 0 is on rock 7 of 0", func(st *State) { st.Listeners[0].Waiting = []DeliveryState{{Rock: 7}} }},
		{"dial 0 is at", func(st *State) { st.Dials[0].Remote = netip.AddrPort{} }},
		{"failed connect 0", func(st *State) { st.Failed[0].Errno = 0 }},
		{"bound socket 0", func(st *State) { st.Bound[0].PID = -1 }},
		{"rock 0 is missing", func(st *State) { st.Rocks = []*rocks.State{nil} }},
	} {
		st := goldenState()
		tt.change(st)
		b, err := msgpack.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeState(b); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(documentedState(f))
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := DecodeState(b)
		if err != nil {
			return
		}
		again, err := st.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeState(again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}
