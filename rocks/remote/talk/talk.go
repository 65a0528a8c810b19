// Package talk is what rock -d and the rockd that it has started on another host say to each other: over the ssh that
// has started it, and at the beginning of the connection that it is for.
//
// # Over ssh
//
// Lines of text, each "rockd-talk " and a JSON object. What else comes, such as what a shell says when somebody logs in, is
// skipped. Only these are sent, each at most once, in this order:
//
//	rockd → rock   hello     it is there, and speaks this version
//	rock → rockd   request   the secret of this client, and a key to let in once
//	rockd → rock   ready     where it listens
//	rock → rockd   carry     a key with which a link may come through ssh (only if its port cannot be reached)
//	rockd → rock   carried
//	rockd → rock   served    the connection is there; it wants nothing more of this ssh
//
// In the place of any of its messages rockd may send failure and end. If ssh ends before served, so does rockd.
//
// # On the connection
//
// A rock. The client sends the secret, which is good for one connection. rockd answers with a byte: 0, and from then on all is
// sshd's; or the length of a text that says what is wrong, and the text.
package talk

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is that of the talk. There is one.
const Version = 1

// Message is one of those that the package lists.
type Message struct {
	Hello   *Hello   `json:"hello,omitempty"`
	Request *Request `json:"request,omitempty"`
	Ready   *Ready   `json:"ready,omitempty"`
	Carry   *Carry   `json:"carry,omitempty"`
	Carried *Carried `json:"carried,omitempty"`
	Served  *Served  `json:"served,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Hello says that rockd is there.
type Hello struct {
	Version int    `json:"version"`
	Rock    string `json:"rock"` // version of the program
}

// Request says who comes.
type Request struct {
	Version int    `json:"version"`
	Secret  []byte `json:"secret"`            // SecretSize bytes
	Key     string `json:"key,omitempty"`     // to be let in by sshd once, as in a .pub file without the comment; "" for none
	Timeout int    `json:"timeout,omitempty"` // seconds that the connection may be suspended; 0: as rockd has it
	// Rendezvous are the servers that the client knows, as host:port.
	Rendezvous []string `json:"rendezvous,omitempty"`
}

// Ready says where rockd listens.
type Ready struct {
	Port         uint16   `json:"port"`
	Addresses    []string `json:"addresses"`    // of its host, that by which ssh has come first
	Announcement []byte   `json:"announcement"` // of its endpoint: what it answers a probe with
	KeyRefused   string   `json:"key_refused"`  // why the key is not let in; "" if it is
}

// Carry asks for a link through ssh.
type Carry struct {
	Key string `json:"key"` // that may start rockd attach and nothing else
}

// Carried answers it.
type Carried struct {
	KeyRefused string `json:"key_refused"` // as in Ready
}

// Served says that the connection is there.
type Served struct{}

// Failure says what is wrong.
type Failure struct {
	Reason string `json:"reason"`
}

const (
	mark      = "rockd-talk "
	maxLine   = 64 << 10
	mostNoise = 1 << 20 // bytes that are skipped before a message
)

// Conn sends and receives messages. One goroutine may send while another receives.
type Conn struct {
	in  *bufio.Reader
	out io.Writer
}

// NewConn returns a Conn over what comes in and what goes out.
func NewConn(in io.Reader, out io.Writer) *Conn {
	return &Conn{in: bufio.NewReaderSize(in, maxLine), out: out}
}

// Send sends a message.
func (c *Conn) Send(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(b)+len(mark)+1 > maxLine {
		return fmt.Errorf("encode message: %d bytes are too many", len(b))
	}
	if _, err := fmt.Fprintf(c.out, "%s%s\n", mark, b); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// Receive waits for the next message. A failure is an error. io.EOF says that the other end is gone.
func (c *Conn) Receive() (Message, error) {
	var m Message
	for noise := 0; noise < mostNoise; {
		line, err := c.in.ReadSlice('\n')
		at := bytes.Index(line, []byte(mark)) // behind a prompt, it may be
		if at < 0 || errors.Is(err, bufio.ErrBufferFull) {
			noise += len(line)
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return m, err
			}
			continue
		}
		if err != nil {
			return m, io.ErrUnexpectedEOF
		}
		if err := json.Unmarshal(line[at+len(mark):], &m); err != nil {
			return m, fmt.Errorf("decode message: %w", err)
		}
		if m.Failure != nil {
			return m, errors.New(m.Failure.Reason)
		}
		return m, nil
	}
	return m, errors.New("the other end says much, and nothing that makes sense")
}

// SecretSize is the length of a secret.
const SecretSize = 32

// NewSecret makes one.
func NewSecret() []byte {
	secret := make([]byte, SecretSize)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// Greet is the client's part at the beginning of the connection. An error of rockd's has its text.
func Greet(conn io.ReadWriter, secret []byte) error {
	if _, err := conn.Write(secret); err != nil {
		return fmt.Errorf("greet rockd: %w", err)
	}
	var size [1]byte // not a byte more: what follows is sshd's
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return fmt.Errorf("wait for rockd: %w", err)
	}
	if size[0] == 0 {
		return nil
	}
	text := make([]byte, size[0])
	if _, err := io.ReadFull(conn, text); err != nil {
		return fmt.Errorf("wait for rockd: %w", err)
	}
	return fmt.Errorf("rockd: %s", text)
}

// Welcome is rockd's answer; nil says that all is well.
func Welcome(conn io.Writer, refusal error) error {
	answer := []byte{0}
	if refusal != nil {
		text := refusal.Error()
		text = text[:min(len(text), 255)]
		answer = append([]byte{byte(len(text))}, text...)
	}
	if _, err := conn.Write(answer); err != nil {
		return fmt.Errorf("answer client: %w", err)
	}
	return nil
}
