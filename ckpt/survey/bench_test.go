package survey

import "testing"

func BenchmarkTake(b *testing.B) {
	for _, role := range []string{"plain", "thousand"} {
		b.Run(role, func(b *testing.B) {
			root := start(b, role)
			for b.Loop() {
				if _, err := Take(Options{Root: root}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
