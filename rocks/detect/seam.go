package detect

import (
	"bytes"
	"errors"
	"io"
)

// Stand-ins for package wire until it has them.

const magic = "ROCK"

// Announcement is what a rock server answers to a probe.
type Announcement struct {
	Held bool
}

var errNotAnnouncement = errors.New("not an announcement")

func readAnnouncement(r io.Reader) (Announcement, error) {
	b := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(r, b); err != nil {
		return Announcement{}, err
	}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return Announcement{}, errNotAnnouncement
	}
	return Announcement{Held: b[len(magic)] != 0}, nil
}
