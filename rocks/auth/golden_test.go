package auth

// What HMAC-SHA256 gives for TestSumGolden, computed by another implementation.
const (
	goldenClient = "536f9eca7382370048d838751a98f06ca062af71788564a1d598b977faf65c58"
	goldenServer = "9a53b5cb525f206884aafee3adb03f0dab69778667be1743523b090803d8d3e4"
)
