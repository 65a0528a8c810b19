// Package pcap reads what a packet capture says about TCP: which connections there
// were, and which bytes each end sent on them.
//
// It knows what the captures of the lab have in them: the classic pcap format in
// this machine's byte order, Ethernet, IPv4 and IPv6 without extension headers,
// no fragments. Anything else is an error or left out, as said at each function.
package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Flow is one TCP connection.
type Flow struct {
	Client, Server netip.AddrPort // the sender of the SYN, and who it was sent to
	MSS            int            // announced in the client's SYN, 0 if it was not
	ToServer       Stream
	ToClient       Stream
}

// Stream is one direction of a connection.
type Stream struct {
	Bytes []byte // the payload in order, retransmissions counted once
	FIN   bool   // its sender ended it
	RST   bool   // its sender reset the connection

	isn   uint32 // sequence number of the first byte
	known bool   // isn is known
}

// ErrGap says that the capture lacks bytes in the middle of a stream.
var ErrGap = errors.New("bytes are missing in the capture")

const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
	ethernet   = 1
)

// Flows reads a capture to its end; an empty file has none. Connections whose SYN is not in it are left
// out. They come in the order of their first SYN.
func Flows(r io.Reader) ([]*Flow, error) {
	var header [24]byte
	if _, err := io.ReadFull(r, header[:]); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read pcap header: %w", err)
	}
	if m := binary.LittleEndian.Uint32(header[:]); m != magicMicro && m != magicNano {
		return nil, fmt.Errorf("pcap magic is %#x", m)
	}
	if l := binary.LittleEndian.Uint32(header[20:]); l != ethernet {
		return nil, fmt.Errorf("link type is %d, want Ethernet", l)
	}
	var b builder
	for {
		frame, err := readFrame(r)
		if err == io.EOF {
			return b.flows, nil
		}
		if err != nil {
			return nil, err
		}
		if s, ok := parse(frame); ok {
			if err := b.add(s); err != nil {
				return nil, err
			}
		}
	}
}

// readFrame reads the next record. A record cut off by the end of tcpdump is the end.
func readFrame(r io.Reader) ([]byte, error) {
	var header [16]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		return nil, err
	}
	captured := binary.LittleEndian.Uint32(header[8:])
	if original := binary.LittleEndian.Uint32(header[12:]); captured != original {
		return nil, fmt.Errorf("packet of %d bytes was captured with %d: %w", original, captured, ErrGap)
	}
	if captured > 1<<20 {
		return nil, fmt.Errorf("packet of %d bytes", captured)
	}
	frame := make([]byte, captured)
	_, err := io.ReadFull(r, frame)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return frame, err
}

type endpoints struct{ src, dst netip.AddrPort }

// builder puts segments together to flows.
type builder struct {
	flows []*Flow
	live  map[endpoints]*Flow // by client and server
}

func (b *builder) add(s segment) error {
	if b.live == nil {
		b.live = make(map[endpoints]*Flow)
	}
	if s.flags&(synFlag|ackFlag) == synFlag {
		b.open(s)
		return nil
	}
	if f := b.live[endpoints{s.src, s.dst}]; f != nil {
		return f.ToServer.add(s)
	}
	if f := b.live[endpoints{s.dst, s.src}]; f != nil {
		return f.ToClient.add(s)
	}
	return nil
}

// open begins a flow with a client's SYN, unless that is a retransmission.
func (b *builder) open(s segment) {
	key := endpoints{s.src, s.dst}
	if f := b.live[key]; f != nil && f.ToServer.isn == s.seq+1 {
		return
	}
	f := &Flow{Client: s.src, Server: s.dst, MSS: s.mss}
	f.ToServer.isn, f.ToServer.known = s.seq+1, true
	b.flows = append(b.flows, f)
	b.live[key] = f
}

func (st *Stream) add(s segment) error {
	if s.flags&synFlag != 0 { // the server's
		st.isn, st.known = s.seq+1, true
		return nil
	}
	st.FIN = st.FIN || s.flags&finFlag != 0
	st.RST = st.RST || s.flags&rstFlag != 0
	if !st.known || len(s.payload) == 0 {
		return nil
	}
	// Streams in the tests are shorter than 2 GiB, so that the difference says all.
	at := int(int32(s.seq - st.isn))
	switch {
	case at < 0:
		return nil // a keepalive's byte, which repeats an old one
	case at > len(st.Bytes):
		return fmt.Errorf("%s to %s at offset %d: %w", s.src, s.dst, len(st.Bytes), ErrGap)
	}
	if fresh := at + len(s.payload) - len(st.Bytes); fresh > 0 {
		st.Bytes = append(st.Bytes, s.payload[len(s.payload)-fresh:]...)
	}
	return nil
}
