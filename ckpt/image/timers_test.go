package image

import (
	"bytes"
	"os"
	"testing"

	"github.com/checkpoint-restore/go-criu/v7/crit/images/fdinfo"
	"github.com/checkpoint-restore/go-criu/v7/crit/images/timerfd"
	"google.golang.org/protobuf/proto"
)

// timer is the entry of a timer with a time left, a period and a count.
func timer(t *testing.T, left, period, ticks uint64) []byte {
	t.Helper()
	u := proto.Uint64
	b, err := marshal(&fdinfo.FileEntry{Type: fdinfo.FdTypes_TIMERFD.Enum(), Id: proto.Uint32(1), Tfd: &timerfd.TimerfdEntry{
		Id: proto.Uint32(1), Flags: proto.Uint32(2), Clockid: proto.Uint32(1), SettimeFlags: proto.Uint32(0), Ticks: u(ticks),
		Vsec: u(left / 1000), Vnsec: u(left % 1000), Isec: u(period / 1000), Insec: u(period % 1000),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Times are in pairs of seconds and nanoseconds, of which there are no more than 999 here.
func TestWindTimers(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if n, err := WindTimers(root.Name()); n != 0 || err != nil {
		t.Errorf("without files: got %d, %v", n, err)
	}
	other, err := marshal(&fdinfo.FileEntry{Type: fdinfo.FdTypes_REG.Enum(), Id: proto.Uint32(2)})
	if err != nil {
		t.Fatal(err)
	}
	before := [][]byte{
		other,
		timer(t, 0, 2003, 1),    // ran out
		timer(t, 1, 2003, 1),    // ran out, but was set again since
		timer(t, 0, 0, 1),       // ran out for good
		timer(t, 0, 2003, 0),    // disarmed
		timer(t, 1002, 2003, 0), // runs
	}
	after := append([][]byte{other, timer(t, 2003, 2003, 1)}, before[2:]...)
	if err := os.WriteFile(root.Name()+"/"+filesFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeEntries(root, filesFile, filesMagic, before); err != nil {
		t.Fatal(err)
	}
	if n, err := WindTimers(root.Name()); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	got, err := readEntries(root, filesFile, filesMagic)
	if err != nil {
		t.Fatal(err)
	}
	for i := range after {
		if !bytes.Equal(got[i], after[i]) {
			t.Errorf("entry %d: got %x, want %x", i, got[i], after[i])
		}
	}
	if err := root.WriteFile(filesFile, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WindTimers(root.Name()); err == nil {
		t.Error("a file of another kind: no error")
	}
}
