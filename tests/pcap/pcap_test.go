package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
)

var (
	client4 = netip.MustParseAddrPort("10.0.0.1:40000")
	server4 = netip.MustParseAddrPort("10.0.0.2:80")
	client6 = netip.MustParseAddrPort("[fd00::1]:40000")
	server6 = netip.MustParseAddrPort("[fd00::2]:80")
)

// file is a capture of these frames.
func file(frames ...[]byte) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint32(b, magicMicro)
	b = append(b, make([]byte, 16)...)
	b = binary.LittleEndian.AppendUint32(b, ethernet)
	for _, f := range frames {
		b = append(b, make([]byte, 8)...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// frame builds what parse takes apart.
func frame(src, dst netip.AddrPort, seq uint32, flags byte, options []byte, payload string) []byte {
	tcp := binary.BigEndian.AppendUint16(nil, src.Port())
	tcp = binary.BigEndian.AppendUint16(tcp, dst.Port())
	tcp = binary.BigEndian.AppendUint32(tcp, seq)
	tcp = append(tcp, 0, 0, 0, 0, byte((20+len(options))/4<<4), flags, 0, 0, 0, 0, 0, 0)
	tcp = append(append(tcp, options...), payload...)

	b := make([]byte, 14)
	if src.Addr().Is4() {
		binary.BigEndian.PutUint16(b[12:], 0x0800)
		ip := make([]byte, 20)
		ip[0], ip[9] = 0x45, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(tcp)))
		copy(ip[12:], src.Addr().AsSlice())
		copy(ip[16:], dst.Addr().AsSlice())
		b = append(b, ip...)
	} else {
		binary.BigEndian.PutUint16(b[12:], 0x86dd)
		ip := make([]byte, 40)
		ip[0], ip[6] = 0x60, 6
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
		copy(ip[8:], src.Addr().AsSlice())
		copy(ip[24:], dst.Addr().AsSlice())
		b = append(b, ip...)
	}
	return append(b, tcp...)
}

func TestFlows(t *testing.T) {
	mss := []byte{1, 2, 4, 0x05, 0xb4, 1, 1, 1}
	for _, tt := range []struct {
		name           string
		client, server netip.AddrPort
	}{
		{"IPv4", client4, server4},
		{"IPv6", client6, server6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s := tt.client, tt.server
			// Sequence numbers wrap around inside of the stream.
			first := uint32(0xfffffffe)
			got, err := Flows(bytes.NewReader(file(
				frame(s, c, 1, ackFlag, nil, "of an older connection"),
				frame(c, s, first-1, synFlag, mss, ""),
				frame(c, s, first-1, synFlag, mss, ""),
				frame(s, c, 500, synFlag|ackFlag, nil, ""),
				frame(c, s, first, ackFlag, nil, "quest"),
				frame(c, s, first-1, ackFlag, nil, "?"),
				frame(c, s, first+2, ackFlag, nil, "estion"),
				frame(s, c, 501, ackFlag, nil, "answer"),
				frame(c, s, 6, ackFlag|finFlag, nil, ""),
				frame(s, c, 507, rstFlag, nil, ""),
			)))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 {
				t.Fatalf("got %d flows, want 1", len(got))
			}
			f := got[0]
			if f.Client != c || f.Server != s || f.MSS != 1460 {
				t.Errorf("got %v to %v with MSS %d", f.Client, f.Server, f.MSS)
			}
			if string(f.ToServer.Bytes) != "question" || string(f.ToClient.Bytes) != "answer" {
				t.Errorf("got %q and %q", f.ToServer.Bytes, f.ToClient.Bytes)
			}
			if !f.ToServer.FIN || f.ToServer.RST || f.ToClient.FIN || !f.ToClient.RST {
				t.Errorf("got FIN %v and %v, RST %v and %v", f.ToServer.FIN, f.ToClient.FIN, f.ToServer.RST, f.ToClient.RST)
			}
		})
	}
}

func TestFlowsOfTheSamePorts(t *testing.T) {
	got, err := Flows(bytes.NewReader(file(
		frame(client4, server4, 10, synFlag, nil, ""),
		frame(client4, server4, 11, ackFlag, nil, "one"),
		frame(client4, server4, 900, synFlag, nil, ""),
		frame(client4, server4, 901, ackFlag, nil, "two"),
	)))
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d flows, %v, want 2", len(got), err)
	}
	if string(got[0].ToServer.Bytes) != "one" || string(got[1].ToServer.Bytes) != "two" {
		t.Errorf("got %q and %q", got[0].ToServer.Bytes, got[1].ToServer.Bytes)
	}
}

func TestGap(t *testing.T) {
	_, err := Flows(bytes.NewReader(file(
		frame(client4, server4, 10, synFlag, nil, ""),
		frame(client4, server4, 15, ackFlag, nil, "late"),
	)))
	if !errors.Is(err, ErrGap) {
		t.Errorf("got %v, want %v", err, ErrGap)
	}
}

// Cut off anywhere, a capture is read as far as it goes, without a panic.
func TestTruncated(t *testing.T) {
	whole := file(
		frame(client4, server4, 10, synFlag, []byte{2, 4, 5, 0xb4}, ""),
		frame(client6, server6, 11, synFlag, nil, "x"),
	)
	for n := range whole {
		if _, err := Flows(bytes.NewReader(whole[:n])); (err != nil) != (n > 0 && n < 24) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, f := range [][]byte{frame(client4, server4, 10, synFlag, []byte{2, 4, 5, 0xb4}, "xyz"), frame(client6, server6, 1, 0, nil, "")} {
		for n := range f {
			parse(f[:n])
		}
	}
}
