package detect

import "fmt"

// Verdict says what is known about a peer.
type Verdict uint8

const (
	Unknown  Verdict = iota // not asked yet, asked too long ago, or no answer could be had
	Ordinary                // without rocks
	Rock                    // with rocks
	Doubtful                // refused or silent: ordinary for now, but it may have been the network
)

// String returns the verdict in lower case, as logs and tables show it.
func (v Verdict) String() string {
	switch v {
	case Unknown:
		return "unknown"
	case Ordinary:
		return "ordinary"
	case Rock:
		return "rock"
	case Doubtful:
		return "doubtful"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}
