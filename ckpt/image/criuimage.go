package image

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"

	"google.golang.org/protobuf/proto"
)

// The words that begin CRIU's images (its magic.h).
const (
	commonMagic  = 0x54564319
	coreMagic    = 0x55053847
	filesMagic   = 0x56303138
	seccompMagic = 0x64413049
)

// readEntries reads one of CRIU's images: two magic words, then messages, each behind its length.
// All numbers are of 4 bytes, least significant first.
func readEntries(root *os.Root, name string, magic uint32) ([][]byte, error) {
	b, err := fs.ReadFile(root.FS(), name)
	if err != nil {
		return nil, err
	}
	if len(b) < 8 || binary.LittleEndian.Uint32(b) != commonMagic || binary.LittleEndian.Uint32(b[4:]) != magic {
		return nil, fmt.Errorf("%s does not begin as an image of CRIU's of that name", name)
	}
	var entries [][]byte
	for b = b[8:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, fmt.Errorf("%s ends within a length", name)
		}
		n := binary.LittleEndian.Uint32(b)
		if b = b[4:]; uint64(n) > uint64(len(b)) {
			return nil, fmt.Errorf("%s ends within an entry", name)
		}
		entries, b = append(entries, b[:n]), b[n:]
	}
	return entries, nil
}

// writeEntries replaces one of CRIU's images that is there.
func writeEntries(root *os.Root, name string, magic uint32, entries [][]byte) error {
	b := binary.LittleEndian.AppendUint32(nil, commonMagic)
	b = binary.LittleEndian.AppendUint32(b, magic)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e)))
		b = append(b, e...)
	}
	return root.WriteFile(name, b, 0o600)
}

// unmarshal is for messages of a newer CRIU too: what is not known is kept, and what was required may be missing.
func unmarshal(b []byte, m proto.Message) error {
	return proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(b, m)
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{AllowPartial: true}.Marshal(m)
}
