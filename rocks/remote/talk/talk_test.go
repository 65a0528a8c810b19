package talk

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

func TestTalk(t *testing.T) {
	var wire bytes.Buffer
	wire.WriteString("Welcome to this host!\n\nlast login: never\n$ ") // without an end of line
	c := NewConn(&wire, &wire)
	if err := c.Send(Message{Ready: &Ready{Port: 7, Addresses: []string{"10.0.0.1"}}}); err != nil {
		t.Fatal(err)
	}
	wire.WriteString("more noise\n")
	if err := c.Send(Message{Failure: &Failure{Reason: "no room"}}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Receive()
	if err != nil || m.Ready == nil || m.Ready.Port != 7 || len(m.Ready.Addresses) != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := c.Receive(); err == nil || err.Error() != "no room" {
		t.Errorf("a failure: got %v", err)
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: got %v", err)
	}
}

func TestTalkRefused(t *testing.T) {
	for name, text := range map[string]string{
		"cut off":    mark + `{"served":{}`,
		"no JSON":    mark + "nonsense\n",
		"much noise": strings.Repeat("noise\n", mostNoise/6+1),
		"long lines": strings.Repeat(strings.Repeat("x", maxLine*2)+"\n", 10),
	} {
		if m, err := NewConn(strings.NewReader(text), io.Discard).Receive(); err == nil {
			t.Errorf("%s: got %+v", name, m)
		}
	}
	long := Message{Failure: &Failure{Reason: strings.Repeat("x", maxLine)}}
	if err := NewConn(nil, io.Discard).Send(long); err == nil {
		t.Error("a message that is too long: no error")
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("noise\n" + mark + `{"hello":{"version":1}}` + "\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		c := NewConn(bytes.NewReader(b), io.Discard)
		for {
			if _, err := c.Receive(); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			}
		}
	})
}

func TestGreeting(t *testing.T) {
	for _, refusal := range []error{nil, errors.New("come another day"), errors.New(strings.Repeat("x", 300))} {
		client, server := net.Pipe()
		secret := NewSecret()
		done := make(chan error, 1)
		go func() {
			got := make([]byte, SecretSize)
			_, err := io.ReadFull(server, got)
			if err == nil && !bytes.Equal(got, secret) {
				err = errors.New("another secret")
			}
			if err == nil {
				err = Welcome(server, refusal)
			}
			done <- err
		}()
		err := Greet(client, secret)
		if served := <-done; served != nil {
			t.Error(served)
		}
		if (err == nil) != (refusal == nil) || refusal != nil && !strings.Contains(err.Error(), refusal.Error()[:16]) {
			t.Errorf("refusal %v: got %v", refusal, err)
		}
	}
}
