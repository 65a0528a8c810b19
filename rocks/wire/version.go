package wire

// Version list. Each entry stays: a number is never used again.
//
//	1  first version
const (
	MinVersion = 1 // lowest version that this package speaks
	MaxVersion = 1 // highest version that this package speaks
)

// Versions is a range of protocol versions, both ends included.
type Versions struct {
	Min, Max uint8
}

// Supported returns the versions that this package speaks.
func Supported() Versions { return Versions{MinVersion, MaxVersion} }

// Common returns the highest version that is in both ranges, and whether there is
// one.
func (v Versions) Common(o Versions) (uint8, bool) {
	hi := min(v.Max, o.Max)
	return hi, hi >= max(v.Min, o.Min)
}

// valid reports whether v is a range that may travel: not empty, and not
// including 0, which is no version.
func (v Versions) valid() bool { return v.Min >= 1 && v.Min <= v.Max }
