package detect

// Marks are values of the MSS option in a SYN (TCP_MAXSEG, tcp(7)). Linux takes
// 88 to 32767 there and sends the value as it is if the route allows as much.
const (
	// ProbeMSS is the strong mark, in bytes: the MSS of a probe and of nothing
	// else. No path MTU in use leads to it, and it passes every usual clamp.
	ProbeMSS = 777

	// SafeMSS is the weak mark, in bytes, of every connection on which a hello
	// or a resume may be sent. It lies below the usual clamps (1360 and up, and
	// 1220 where the MTU is the 1280 of IPv6), so that routers leave it alone.
	SafeMSS = 1203

	// MaxMSS is the largest MSS, in bytes, that TCP_MAXSEG accepts.
	MaxMSS = 32767

	minMSS    = 88 // the least that TCP_MAXSEG accepts (TCP_MIN_MSS)
	weakStep  = 32
	weakClass = 19 // missed by the MSS of all common MTUs
)

// IsWeak reports whether an MSS in bytes, as read from a SYN, carries the weak
// mark. One in 32 of arbitrary values does by chance, none of the common ones:
// to hold such a connection back must do no harm but a short delay.
func IsWeak(mss int) bool {
	return mss >= minMSS && mss <= MaxMSS && mss%weakStep == weakClass
}

// WeakMSS returns the weak mark for a path whose normal MSS is given in bytes:
// the largest marked value that is not above it, so at most 31 bytes below it,
// and not above MaxMSS. It returns 0, meaning to leave the MSS alone, if the
// normal value is unknown (0) or too small to be marked.
func WeakMSS(normal int) int {
	normal = min(normal, MaxMSS)
	mark := normal - (normal-weakClass+weakStep)%weakStep
	if !IsWeak(mark) {
		return 0
	}
	return mark
}
