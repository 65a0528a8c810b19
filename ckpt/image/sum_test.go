package image

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSum pins the checksums, which are part of the format.
func TestSum(t *testing.T) {
	zeros := make([]byte, 2*pieceSize+1)
	for _, tt := range []struct {
		contents []byte
		want     uint64
	}{
		{nil, 0x2d06800538d394c2}, // as of "xxhsum -H3", as all of one piece
		{[]byte("rock"), 0x868c39a7b4759511},
		{zeros[:pieceSize], 0xe881a25e37e37b19},
		{zeros[:pieceSize+1], 0x5df7c8e2f383eca3},
		{zeros, 0x71bf4336010431ff},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), tt.contents, 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		f := []Sum{{Name: "f", Size: int64(len(tt.contents))}}
		if err := sum(t.Context(), root, f, nil); err != nil {
			t.Fatal(err)
		}
		if f[0].Sum != tt.want {
			t.Errorf("%d bytes: got %#x, want %#x", len(tt.contents), f[0].Sum, tt.want)
		}
		if got := sumBytes(tt.contents); got != tt.want {
			t.Errorf("%d bytes in memory: got %#x, want %#x", len(tt.contents), got, tt.want)
		}
	}
}

func TestSumSize(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("f", bytes.Repeat([]byte{1}, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{99, 101, 1 << 30} {
		var wrong *errSize
		err := sum(t.Context(), root, []Sum{{Name: "f", Size: size}}, nil)
		if !errors.As(err, &wrong) || wrong.got != 100 {
			t.Errorf("size %d: got %v", size, err)
		}
	}
}
