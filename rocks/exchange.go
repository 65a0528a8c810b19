package rocks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"rock/rocks/auth"
	"rock/rocks/wire"
)

// exchange is one handshake: it keeps the transcript of what was said on a connection and
// makes and checks the proofs. It is used by one goroutine.
type exchange struct {
	ctx  context.Context
	stop func() bool
	nc   net.Conn
	r    io.Reader // nc, perhaps after bytes that were read already
	side auth.Side // which side this end is
	keys *auth.Keys
	t    auth.Transcript

	claim claim // what this end has said of itself last
}

// newExchange begins a handshake on nc that is bound by ctx and lasts no longer than limit.
func newExchange(ctx context.Context, nc net.Conn, r io.Reader, limit time.Duration) *exchange {
	_ = nc.SetDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	return &exchange{ctx: ctx, stop: stop, nc: nc, r: r}
}

// as says which end speaks, and with which keys.
func (x *exchange) as(role wire.Role, keys *auth.Keys) {
	x.side = auth.Side(role == wire.RoleServer)
	x.keys = keys
}

// release frees the connection from the bounds of the handshake. It fails if ctx was done before.
func (x *exchange) release() error {
	if !x.stop() {
		return x.fail("finish", x.ctx.Err())
	}
	return x.nc.SetDeadline(time.Time{})
}

// abandon ends the handshake and closes the connection.
func (x *exchange) abandon() {
	x.stop()
	x.nc.Close()
}

// fail names what was attempted and prefers the cause of a cancelled context.
func (x *exchange) fail(what string, err error) error {
	if x.ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = context.Cause(x.ctx)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", what, err)
}

// send says m, which must not carry a MAC.
func (x *exchange) send(m wire.Message) error { return x.sendRaw(m.Type(), wire.AppendMessage(nil, m)) }

// sendSealed says m with its MAC, which is its last field.
func (x *exchange) sendSealed(label auth.Label, m wire.Message) error {
	return x.sendRaw(m.Type(), x.seal(label, m))
}

func (x *exchange) sendRaw(t wire.Type, raw []byte) error {
	if _, err := x.nc.Write(raw); err != nil {
		return x.fail("send "+t.String(), err)
	}
	x.t = x.t.Add(raw)
	return nil
}

// seal encodes m and puts this side's MAC in its last field.
func (x *exchange) seal(label auth.Label, m wire.Message) []byte {
	raw := wire.AppendMessage(nil, m)
	body := raw[:len(raw)-wire.MACSize]
	mac := x.keys.Sum(x.side, label, x.t, body)
	return append(body, mac[:]...)
}

// read returns the next message of the other end with its bytes, which are not
// part of the transcript before heard is called.
func (x *exchange) read(what string) (wire.Message, []byte, error) {
	m, raw, err := wire.ReadMessage(x.r)
	if err != nil {
		return nil, nil, x.fail("read "+what, err)
	}
	return m, raw, nil
}

func (x *exchange) heard(raw []byte) { x.t = x.t.Add(raw) }

// authentic reports whether raw ends with the MAC of the other side.
func (x *exchange) authentic(label auth.Label, raw []byte) bool {
	at := len(raw) - wire.MACSize
	return x.keys.Verify(!x.side, label, x.t, raw[:at], [wire.MACSize]byte(raw[at:]))
}

// readSealed reads a message that must be of type M, with a valid MAC. A Refuse is returned as
// a *refusal.
func readSealed[M wire.Message](x *exchange, label auth.Label) (M, error) {
	var want M
	m, raw, err := x.read(string(label))
	if err != nil {
		return want, err
	}
	if r, ok := m.(*wire.Refuse); ok {
		return want, &refusal{Refuse: r, proven: x.keys != nil && x.authentic(auth.LabelRefuse, raw)}
	}
	got, ok := m.(M)
	if !ok {
		return want, &wire.FormatError{What: "handshake", Detail: fmt.Sprintf("%v instead of %s", m.Type(), label)}
	}
	if !x.authentic(label, raw) {
		return want, fmt.Errorf("check %s: %w", label, ErrAuth)
	}
	x.heard(raw)
	return got, nil
}

// refusal is a Refuse as an error.
type refusal struct {
	*wire.Refuse
	proven bool // its MAC is right
}

func (r *refusal) Error() string { return r.Unwrap().Error() }

// Unwrap returns the public form.
func (r *refusal) Unwrap() error { return &RefusedError{Reason: r.Reason, Versions: r.Versions} }

// refuse says why there will be no link, with a MAC if x has keys, and closes the connection. It waits
// a moment for the other end to have read it: closing with unread input would destroy it.
func (x *exchange) refuse(reason wire.Reason) { x.sayRefuse(&wire.Refuse{Reason: reason}) }

func (x *exchange) sayRefuse(m *wire.Refuse) {
	m.Versions = wire.Supported()
	if x.keys != nil {
		_ = x.sendSealed(auth.LabelRefuse, m)
	} else {
		_ = x.send(m)
	}
	if half, ok := x.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && x.stop() {
		_ = x.nc.SetDeadline(time.Now().Add(linger))
		_, _ = io.CopyN(io.Discard, x.r, wire.MaxBody)
	}
	x.abandon()
}
