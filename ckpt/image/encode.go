package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/zeebo/xxh3"
)

// The header of a manifest: magic, version, length of the body, and a checksum of these and the body.
const (
	magic      = "rockimg\n"
	headLength = len(magic) + 4 + 4
	headSum    = headLength + 8

	mostBody = 64 << 20
)

// encode returns the manifest as it is written.
func encode(m *Manifest) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	var body bytes.Buffer
	enc := msgpack.NewEncoder(&body)
	enc.UseCompactInts(true)
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	if body.Len() > mostBody {
		return nil, fmt.Errorf("encode manifest: %d bytes, at most %d are allowed", body.Len(), mostBody)
	}
	b := append(make([]byte, 0, headSum+body.Len()), magic...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint32(b, uint32(body.Len()))
	b = binary.BigEndian.AppendUint64(b, headerSum(b, body.Bytes()))
	return append(b, body.Bytes()...), nil
}

// decode is the inverse of encode. The error is a [*VersionError], or says what is wrong with the file in
// words that go on after its name.
func decode(b []byte) (*Manifest, error) {
	if len(b) < headSum || string(b[:len(magic)]) != magic {
		return nil, errors.New("is no manifest of an image")
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != Version {
		return nil, &VersionError{Found: v}
	}
	head, body := b[:headLength], b[headSum:]
	if n := binary.BigEndian.Uint32(head[len(magic)+4:]); int64(n) != int64(len(body)) {
		return nil, fmt.Errorf("has %d bytes behind its header, not %d", len(body), n)
	}
	if len(body) > mostBody {
		return nil, fmt.Errorf("has %d bytes, at most %d are allowed", len(body), mostBody)
	}
	if binary.BigEndian.Uint64(b[headLength:]) != headerSum(head, body) {
		return nil, errors.New("does not match its checksum")
	}
	if err := bounded(body); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := msgpack.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("cannot be decoded: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// headerSum is the checksum in the header.
func headerSum(head, body []byte) uint64 {
	h := xxh3.New()
	h.Write(head) // never fails
	h.Write(body)
	return h.Sum64()
}

// check says what makes a manifest useless whatever else it says.
func (m *Manifest) check() error {
	for _, s := range m.Sums {
		if !validName(s.Name) {
			return fmt.Errorf("lists a file with the name %q", s.Name)
		}
		if s.Size < 0 {
			return fmt.Errorf("lists %s with a size of %d", s.Name, s.Size)
		}
	}
	byName := func(a, b Sum) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(m.Sums, byName) {
		return errors.New("lists its files in another order than by name")
	}
	for i := range m.Sums[min(1, len(m.Sums)):] {
		if m.Sums[i].Name == m.Sums[i+1].Name {
			return fmt.Errorf("lists %s twice", m.Sums[i].Name)
		}
	}
	if _, found := slices.BinarySearchFunc(m.Sums, Sum{Name: RocksFile}, byName); !found {
		return errors.New("does not list " + RocksFile)
	}
	return nil
}

// validName says whether a file of an image may have this name.
func validName(name string) bool {
	switch name {
	case "", ".", "..", ManifestFile, ClaimFile:
		return false
	}
	return len(name) <= 255 && !strings.ContainsAny(name, "/\x00")
}
