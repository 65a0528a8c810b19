package image

import (
	"bytes"
	"os"
	"testing"
)

// BenchmarkSum reads from the page cache.
func BenchmarkSum(b *testing.B) {
	const size = 256 << 20
	root, err := os.OpenRoot(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("pages-1.img", bytes.Repeat([]byte{1, 2, 3, 4}, size/4), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if err := sum(b.Context(), root, []Sum{{Name: "pages-1.img", Size: size}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
