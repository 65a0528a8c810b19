package once

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// Attach carries what comes in to the rockd on this host that listens on a port, and what that says out: it is the far end of a
// link that comes through ssh. It blocks until rockd has ended the link.
func Attach(port uint16, in io.Reader, out io.Writer) error {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("attach to rockd: %w", err)
	}
	defer conn.Close()
	go func() {
		if _, err := io.Copy(conn, in); err != nil {
			_ = conn.Close()
			return
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.Copy(out, conn); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("carry a link: %w", err)
	}
	return nil
}
