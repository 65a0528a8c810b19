package once

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rock/rocks"
	"rock/rocks/remote/talk"
)

// far is a rockd under test: what ssh would be to it, and a client.
type far struct {
	t        *testing.T
	talk     *talk.Conn
	leave    func()
	secret   []byte
	ready    *talk.Ready
	home     string
	detached chan struct{}
	ended    chan error
	client   *rocks.Endpoint
}

// serve starts a rockd whose sshd is at an address, and says what the client says first.
func serve(t *testing.T, sshd net.Addr, key string) *far {
	t.Helper()
	toRockd, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromRockd, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, talk: talk.NewConn(fromRockd, ours), secret: talk.NewSecret(), home: t.TempDir(),
		detached: make(chan struct{}), ended: make(chan error, 1), leave: func() { ours.Close() }}
	host, port, _ := net.SplitHostPort(sshd.String())
	env := map[string]string{"HOME": f.home, "SSH_CONNECTION": fmt.Sprintf("192.0.2.1 4000 %s %s", host, port)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		f.ended <- Serve(ctx, Options{In: toRockd, Out: theirs, Detach: func() { close(f.detached) },
			Getenv: func(name string) string { return env[name] }, Rock: "test"})
		theirs.Close()
		close(f.ended)
	}()
	if f.client, err = rocks.NewEndpoint(rocks.Config{Network: rocks.System()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		f.leave()
		<-f.ended
		f.client.Close()
	})
	if m := f.receive(); m.Hello == nil || m.Hello.Version != talk.Version {
		t.Fatalf("got %+v, want hello", m)
	}
	f.send(talk.Message{Request: &talk.Request{Version: talk.Version, Secret: f.secret, Key: key}})
	if f.ready = f.receive().Ready; f.ready == nil || f.ready.Port == 0 {
		t.Fatalf("got %+v, want where it listens", f.ready)
	}
	return f
}

func (f *far) receive() talk.Message {
	f.t.Helper()
	m, err := f.talk.Receive()
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

func (f *far) send(m talk.Message) {
	f.t.Helper()
	if err := f.talk.Send(m); err != nil {
		f.t.Fatal(err)
	}
}

// connect makes a rock to it, and says a secret.
func (f *far) connect(secret []byte) (*rocks.Conn, error) {
	f.t.Helper()
	c, err := f.client.Dial(f.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", f.ready.Port))
	if err != nil {
		f.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, talk.Greet(c, secret)
}

func (f *far) keys() string {
	text, _ := os.ReadFile(filepath.Join(f.home, ".ssh/authorized_keys"))
	return string(text)
}

// echo is an sshd that repeats what it hears, and says so at the end.
func echo(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
				_, _ = io.WriteString(c, "bye")
			}()
		}
	}()
	return l.Addr()
}

func TestServe(t *testing.T) {
	f := serve(t, echo(t), someKey)
	if f.ready.KeyRefused != "" || !strings.Contains(f.keys(), `from="127.0.0.1",expiry-time="`) || !strings.Contains(f.keys(), someKey) {
		t.Errorf("the key: %q, %q", f.ready.KeyRefused, f.keys())
	}
	f.send(talk.Message{Carry: &talk.Carry{Key: someKey}})
	if m := f.receive(); m.Carried == nil || m.Carried.KeyRefused != "" {
		t.Errorf("got %+v", m)
	}
	if want := fmt.Sprintf(`restrict,command="%s attach %d",`, executable(), f.ready.Port); !strings.Contains(f.keys(), want) {
		t.Errorf("the keys are %s, want %s", f.keys(), want)
	}
	c, err := f.connect(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	if m := f.receive(); m.Served == nil {
		t.Errorf("got %+v, want served", m)
	}
	<-f.detached
	f.leave() // ssh ends, the connection does not
	if _, err := io.WriteString(c, "hello, "); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c); err != nil || string(all) != "hello, bye" {
		t.Errorf("got %q, %v", all, err)
	}
	_ = c.Close()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
	if f.keys() != "" {
		t.Errorf("keys are left: %s", f.keys())
	}
}

// TestStranger has others come to the port who do not know the secret, or know one that was used, or say nothing. They get nothing,
// and the client is served all the same.
func TestStranger(t *testing.T) {
	f := serve(t, echo(t), "")
	if _, err := f.connect(talk.NewSecret()); err == nil {
		t.Error("a wrong secret was taken")
	}
	for range 20 {
		silent, err := f.client.Dial(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", f.ready.Port))
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		raw, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.ready.Port))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
	}
	c, err := f.connect(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	<-f.detached
	if _, err := f.connect(f.secret); err == nil {
		t.Error("a secret was taken twice")
	}
	if _, err := io.WriteString(c, "still here"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 10)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A client that leaves before it has connected leaves nothing behind.
func TestClientLeaves(t *testing.T) {
	f := serve(t, echo(t), someKey)
	f.leave()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
	if f.keys() != "" {
		t.Errorf("keys are left: %s", f.keys())
	}
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.ready.Port)); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

// An sshd that is not there is what the client hears of.
func TestNoSSHD(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f := serve(t, l.Addr(), "")
	if _, err := f.connect(f.secret); err == nil || !strings.Contains(err.Error(), "connect to sshd: ") {
		t.Errorf("got %v", err)
	}
}

func TestRefusedRequests(t *testing.T) {
	for name, m := range map[string]talk.Message{
		"no request":      {Served: &talk.Served{}},
		"no secret":       {Request: &talk.Request{Version: talk.Version}},
		"another version": {Request: &talk.Request{Version: talk.Version + 1, Secret: talk.NewSecret()}},
	} {
		in, ours := io.Pipe()
		fromRockd, out := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Serve(t.Context(), Options{In: in, Out: out, Getenv: func(string) string { return "" }})
		}()
		c := talk.NewConn(fromRockd, ours)
		if _, err := c.Receive(); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
		if m, err := c.Receive(); err == nil {
			t.Errorf("%s: got %+v", name, m)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestAttach(t *testing.T) {
	addr := echo(t).(*net.TCPAddr)
	var out strings.Builder
	if err := Attach(uint16(addr.Port), strings.NewReader("hello, "), &out); err != nil || out.String() != "hello, bye" {
		t.Errorf("got %q, %v", &out, err)
	}
}
