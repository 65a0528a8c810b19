package survey

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	elfNote      = 4 // PT_NOTE
	noteBuildID  = 3 // NT_GNU_BUILD_ID
	elfHeader    = 64
	programEntry = 56
	mostNotes    = 64 << 10
)

// buildID returns the build id of a 64-bit ELF file, in hexadecimal; empty if it is none or has none. debug/elf
// would read all of its sections.
func buildID(r io.ReaderAt) (id string, elf bool) {
	var head [elfHeader]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:4]) != unix.ELFMAG {
		return "", false
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	if head[4] != 2 || order.Uint16(head[54:]) != programEntry {
		return "", true // of 32 bits: by its size and mode alone
	}
	table := make([]byte, int(order.Uint16(head[56:]))*programEntry)
	if _, err := r.ReadAt(table, int64(order.Uint64(head[32:]))); err != nil {
		return "", true
	}
	for ; len(table) > 0; table = table[programEntry:] {
		size := order.Uint64(table[32:])
		if order.Uint32(table) != elfNote || size > mostNotes {
			continue
		}
		notes := make([]byte, size)
		if _, err := r.ReadAt(notes, int64(order.Uint64(table[8:]))); err != nil {
			continue
		}
		if id := buildIDNote(notes, order); id != "" {
			return id, true
		}
	}
	return "", true
}

// buildIDNote looks for the build id in a segment of notes (elf(5)).
func buildIDNote(notes []byte, order binary.ByteOrder) string {
	for len(notes) >= 12 {
		name, size, kind := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:])), order.Uint32(notes[8:])
		begin := 12 + (name+3)&^3
		end := begin + size
		if end > uint64(len(notes)) {
			return ""
		}
		if kind == noteBuildID && string(notes[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(notes[begin:end])
		}
		notes = notes[min((end+3)&^3, uint64(len(notes))):]
	}
	return ""
}

// readBuildID is buildID for a path.
func readBuildID(path string) (id string, elf bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	return buildID(f)
}

// build is readBuildID, once for each file.
func (l *look) build(path string, st *unix.Stat_t) string {
	key := strconv.FormatUint(st.Dev, 36) + ":" + strconv.FormatUint(st.Ino, 36)
	id, ok := l.builds[key]
	if !ok {
		id, _ = readBuildID(path)
		l.builds[key] = id
	}
	return id
}
