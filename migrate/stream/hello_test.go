package stream

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestHello(t *testing.T) {
	a, b := pair(t)
	done := make(chan error)
	go func() { done <- a.Hello() }()
	if err := errors.Join(b.Hello(), <-done); err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.SentWire != 12 || s.ReceivedWire != 12 || s.Sent != 0 || s.Received != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestHelloOtherVersion(t *testing.T) {
	x, y := net.Pipe()
	theirs := make(chan string)
	go func() {
		io.WriteString(y, "rockmove\x00\x00\x00\x07")
		b := make([]byte, helloLength)
		io.ReadFull(y, b)
		theirs <- string(b)
	}()
	c := New(x, x)
	err := c.Hello()
	var version *VersionError
	if !errors.As(err, &version) || *version != (VersionError{Ours: 1, Theirs: 7}) {
		t.Errorf("got %v", err)
	}
	if got := <-theirs; got != "rockmove\x00\x00\x00\x01" {
		t.Errorf("the other end was told %q", got)
	}
	if _, again := c.Receive(); again != err {
		t.Errorf("Receive after it: %v", again)
	}
}

func TestGreeting(t *testing.T) {
	for name, tt := range map[string]struct{ got, text string }{
		"nothing":         {"", ""},
		"not found":       {"bash: rockctl: command not found\n", "bash: rockctl: command not found"},
		"like the magic":  {"rockctl: no such command\r\n", "rockctl: no such command"},
		"end in magic":    {"rockm", "rockm"},
		"end in version":  {"rockmove\x00\x00", "rockmove"},
		"colours":         {"\x1b[1mWelcome\x1b[0m\n\n\tto this host\x00\xff", "[1mWelcome[0m to this host"},
		"magic after it":  {"hi\nrockmove\x00\x00\x00\x01", "hi rockmove"},
		"more than shown": {strings.Repeat("x", 5000), strings.Repeat("x", mostGreeting)},
	} {
		for way, reader := range map[string]func(io.Reader) io.Reader{
			"at once":   func(r io.Reader) io.Reader { return r },
			"in pieces": iotest.OneByteReader,
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				c := New(reader(strings.NewReader(tt.got)), io.Discard)
				var greeting *GreetingError
				if err := c.Hello(); !errors.As(err, &greeting) || greeting.Text != tt.text {
					t.Errorf("got %v, want %q", err, tt.text)
				}
				if greeting.Error() == "" || tt.text != "" && !strings.Contains(greeting.Error(), tt.text) {
					t.Errorf("it says %v", greeting)
				}
			})
		}
	}
}

// A shell with a prompt waits, and what it has written so far is shorter than a hello.
func TestGreetingThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		go func() {
			for _, s := range []string{"login", " as", ": "} {
				io.WriteString(y, s)
				time.Sleep(graceTime / 4)
			}
			io.Copy(io.Discard, y)
		}()
		var greeting *GreetingError
		begin := time.Now()
		if err := New(x, x).Hello(); !errors.As(err, &greeting) || greeting.Text != "login as:" {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d != graceTime {
			t.Errorf("it took %v", d)
		}
		x.Close()
		y.Close()
	})
}

func TestHelloFails(t *testing.T) {
	broken := errors.New("broken")
	if err := New(iotest.ErrReader(broken), io.Discard).Hello(); !errors.Is(err, broken) {
		t.Errorf("reading: %v", err)
	}
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := New(strings.NewReader("rockmove\x00\x00\x00\x01"), w).Hello(); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
	// An end that does not read has said why.
	r, w = io.Pipe()
	defer r.Close()
	var greeting *GreetingError
	if err := New(strings.NewReader("usage: rockctl\n"), w).Hello(); !errors.As(err, &greeting) {
		t.Errorf("not read: %v", err)
	}
}
