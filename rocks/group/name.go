package group

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// idBytes is the size of a group's id. Written in hexadecimal it has more digits than any pid
// (4194304 is the kernel's limit), so the two never look alike.
const idBytes = 4

// newID returns a random id.
func newID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// validID says whether s has the form of an id.
func validID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == idBytes
}

// maxName bounds a name in bytes.
const maxName = 64

// CheckName says what is wrong with the name of a group. It must be good for the name of a file,
// for a shell without quotes, and unlike a pid.
func CheckName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("the name has %d bytes, at most %d are allowed", len(name), maxName)
	}
	digits := true
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && (i == 0 || c != '.' && c != '_' && c != '-') {
			return fmt.Errorf("the name %q contains %q: use letters, digits, and behind the first also . _ -", name, c)
		}
		digits = digits && digit
	}
	if digits {
		return fmt.Errorf("the name %q looks like a pid: use a letter too", name)
	}
	return nil
}
