package files

import (
	"encoding/binary"
	"path/filepath"
	"strings"

	"github.com/zeebo/xxh3"

	"rock/migrate/stream"
)

// Kinds of messages about files, beside those of package migrate. All are the source's.
const (
	KindItem = 16 // an [Item], whose chunks follow; for the second time: some of it has changed
	KindEnd  = 17 // an [End]
	KindList = 18 // a [List]
)

// firstID is that of the first item. Those below are of files of the image.
const firstID = 1 << 31

// Bundle is what is to come along, as the source sees it while the group runs.
type Bundle struct {
	Folders []Folder `msgpack:"folders"` // those that are made if they are not there, each before what is in it
	Items   []Item   `msgpack:"items"`
}

// Item is a file.
type Item struct {
	ID   uint32 `msgpack:"id"` // of its chunks, each of stream.ChunkSize but for the last
	Path string `msgpack:"path"`
	Size int64  `msgpack:"size"` // bytes, as yet
}

// Folder is a directory.
type Folder struct {
	Path string     `msgpack:"path"`
	Attr Attributes `msgpack:"attr"`
}

// Attributes are what a file or directory keeps.
type Attributes struct {
	Mode uint32 `msgpack:"mode"` // the lowest twelve bits
	UID  uint32 `msgpack:"uid"`
	GID  uint32 `msgpack:"gid"`
}

// End says what a file is when its chunks are there.
type End struct {
	ID    uint32     `msgpack:"id"`
	Size  int64      `msgpack:"size"`
	Sum   uint64     `msgpack:"sum"` // see sumOf
	Attr  Attributes `msgpack:"attr"`
	MTime int64      `msgpack:"mtime"` // ns since 1970
}

// List is what comes along in the end.
type List struct {
	Folders []Folder `msgpack:"folders"`
	Items   []uint32 `msgpack:"items"`
}

// Bytes adds up the sizes.
func (b *Bundle) Bytes() (total int64) {
	for _, i := range b.Items {
		total += i.Size
	}
	return total
}

// chunks is how many chunks a file of a size has.
func chunks(size int64) int64 { return (size + stream.ChunkSize - 1) / stream.ChunkSize }

// sumOf is the checksum of a file: that of the checksums of its chunks.
func sumOf(sums []uint64) uint64 {
	var h xxh3.Hasher
	var b [8]byte
	for _, s := range sums {
		binary.BigEndian.PutUint64(b[:], s)
		h.Write(b[:]) // never fails
	}
	return h.Sum64()
}

// proper says whether a path is one that names a file or directory without any doubt.
func proper(path string) bool {
	return filepath.IsAbs(path) && filepath.Clean(path) == path && path != "/" && !strings.Contains(path, "\x00")
}
