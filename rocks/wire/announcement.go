package wire

import "encoding/binary"

// Announcement is what a rock server answers a probe with. Body:
//
//	0   1  lowest version    1  1  highest version
//	2   4  capabilities      6  8  instance    14  1  held (0 or 1)
type Announcement struct {
	Versions     Versions
	Capabilities uint32 // bit set, none defined yet; unknown bits are ignored
	Instance     Instance
	Held         bool // a marked connection from the prober's address is being held now
}

// Type returns TypeAnnouncement.
func (*Announcement) Type() Type { return TypeAnnouncement }

func (m *Announcement) appendBody(b []byte) []byte {
	b = append(b, m.Versions.Min, m.Versions.Max)
	b = binary.BigEndian.AppendUint32(b, m.Capabilities)
	b = append(b, m.Instance[:]...)
	return appendFlag(b, m.Held)
}

func (m *Announcement) parseBody(r *reader) {
	m.Versions = r.versions()
	m.Capabilities = r.u32()
	r.bytes(m.Instance[:])
	m.Held = r.flag()
}

func appendFlag(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
