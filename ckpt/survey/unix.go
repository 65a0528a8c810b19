package survey

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// From include/uapi/linux/unix_diag.h; x/sys has none of it.
const (
	showName, showPeer, showIcons = 1, 4, 8 // UDIAG_SHOW_

	attrName, attrPeer, attrIcons, attrShutdown = 0, 2, 3, 6 // UNIX_DIAG_

	unixDiagMessage = 16 // size of struct unix_diag_msg
)

// unixDiagRequest is struct unix_diag_req.
type unixDiagRequest struct{ show uint32 }

func (unixDiagRequest) Len() int { return 24 }

// Serialize asks for the sockets in all states.
func (r unixDiagRequest) Serialize() []byte {
	b := make([]byte, r.Len())
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0))
	binary.NativeEndian.PutUint32(b[12:], r.show)
	return b
}

// unixSocket is what the kernel tells of a Unix socket.
type unixSocket struct {
	kind     uint8 // SOCK_STREAM, …
	state    uint8 // as of TCP
	shutdown uint8
	name     string
	peer     uint32   // 0: none, or not accepted yet, or it has been closed
	waiting  []uint32 // of a listener: the clients that are not accepted yet
}

// unixSockets asks for all Unix sockets of our network namespace, by inode. There is no cheaper
// way: the kernel itself goes through all of them to find a single one.
func unixSockets() (map[uint32]unixSocket, error) {
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	request.AddData(unixDiagRequest{showName | showPeer | showIcons})
	all := map[uint32]unixSocket{}
	err := request.ExecuteIter(unix.NETLINK_SOCK_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(m []byte) bool {
		if len(m) < unixDiagMessage || m[0] != unix.AF_UNIX {
			return true
		}
		s := unixSocket{kind: m[1], state: m[2]}
		attributes, err := nl.ParseRouteAttr(m[unixDiagMessage:])
		if err != nil {
			return true
		}
		for _, a := range attributes {
			switch a.Attr.Type {
			case attrName:
				s.name = strings.ReplaceAll(string(a.Value), "\x00", "@")
			case attrPeer:
				s.peer = binary.NativeEndian.Uint32(a.Value)
			case attrIcons:
				for b := a.Value; len(b) >= 4; b = b[4:] {
					s.waiting = append(s.waiting, binary.NativeEndian.Uint32(b))
				}
			case attrShutdown:
				s.shutdown = a.Value[0]
			}
		}
		all[binary.NativeEndian.Uint32(m[4:])] = s
		return true
	})
	if err != nil && len(all) == 0 {
		return nil, fmt.Errorf("list the Unix sockets: %w", err)
	}
	return all, nil // an interrupted dump is as good as one that was a moment earlier
}

// judgeUnix checks that the peers of the Unix sockets are in the group.
func (l *look) judgeUnix(inodes []uint64) []end {
	all, err := unixSockets()
	if err != nil {
		l.warning(l.of(l.Root), "unix sockets", "has Unix sockets open that cannot be looked at: "+err.Error(),
			"the kernel must have CONFIG_UNIX_DIAG")
		return nil
	}
	inside := func(n uint32) bool { return l.sockets[uint64(n)] != nil }
	var accepting []uint32 // clients that a listener in the group will accept
	for _, n := range inodes {
		accepting = append(accepting, all[uint32(n)].waiting...)
	}
	var ends []end
	for _, n := range inodes {
		s, ok := all[uint32(n)]
		h := l.sockets[n].holders[0]
		p := l.of(h.pid)
		if !ok || p == nil {
			continue // it is closed, or in another network namespace, which is a problem of its own
		}
		key := "socket:[" + strconv.FormatUint(n, 10) + "]"
		e := end{p: p, thing: key, at: at(h.fd), remedy: "close it before the checkpoint, or start its other end in the group too"}
		switch {
		case s.state == unix.BPF_TCP_LISTEN:
			if slices.ContainsFunc(s.waiting, func(n uint32) bool { return !inside(n) }) {
				l.warning(p, key, "has connections from outside waiting to be accepted at "+s.name+at(h.fd),
					"if one is there at that moment the checkpoint fails: try again when the program has accepted them")
			}
			continue
		case s.peer != 0 && inside(s.peer), s.state != unix.BPF_TCP_ESTABLISHED && s.peer == 0:
			continue
		case s.peer == 0:
			const both = 3
			if s.kind == unix.SOCK_DGRAM || s.shutdown == both || slices.Contains(accepting, uint32(n)) {
				continue
			}
			e.what = "waits to be accepted on a Unix socket by a listener outside of the group"
		default:
			to := all[s.peer].name
			e.link = "socket:[" + strconv.FormatUint(uint64(s.peer), 10) + "]"
			e.what = "has a Unix socket open that is connected to the outside"
			if to != "" {
				e.what += ", to " + to
			} else if s.name != "" {
				e.what += ", from " + s.name
			}
			if s.kind == unix.SOCK_DGRAM && to != "" {
				e.onlyWarned, e.remedy = true, "that socket must be there when the group is restored"
				break
			}
			l.Outside = append(l.Outside, Outside{Key: key, PID: h.pid, FD: h.fd, Write: true})
		}
		if l.Replaces == nil || !l.Replaces(key) {
			ends = append(ends, e)
		}
	}
	return ends
}
