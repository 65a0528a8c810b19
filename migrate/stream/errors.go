package stream

import "fmt"

// A FrameError says that what came is not what the other end can have sent: it was damaged on its way, or
// it is no frame.
type FrameError struct {
	What string // in words that go on after "damaged stream: "
}

func (e *FrameError) Error() string { return "damaged stream: " + e.What }

// damaged returns a *FrameError.
func damaged(format string, args ...any) error {
	return &FrameError{What: fmt.Sprintf(format, args...)}
}

// A GreetingError says that something else than this package answers at the other end: a shell that
// does not find the command, say, or one that prints a text on every login.
type GreetingError struct {
	// Text is the beginning of what came, as one line without what cannot be printed. It is empty if the stream
	// ended at once: the other end may have said why on its standard error.
	Text string
}

func (e *GreetingError) Error() string {
	if e.Text == "" {
		return "the other end closed the stream without a greeting"
	}
	return fmt.Sprintf("the other end is not what was expected, it says %q", e.Text)
}

// A VersionError says that the two ends speak different versions.
type VersionError struct {
	Ours, Theirs uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("this end speaks version %d of the migration protocol, the other one version %d",
		e.Ours, e.Theirs)
}
