package lab

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Host is one host of a lab.
type Host struct {
	Name string

	lab     *Lab
	changed [3]int // by path: how often its address was changed
	init    string // of a host apart: the process id of its process 1
}

// Command returns a command that will run on the host when started. ROCK_RUNTIME_DIR is
// not set: see Dir. The process id is that of the program itself, but on a host apart only
// if Start starts it: else it is its parent's, who ends as the program does and to whom a
// signal is no use.
func (h *Host) Command(argv ...string) *exec.Cmd {
	if h.init != "" {
		return h.commandApart(argv)
	}
	return exec.Command("nsenter", append([]string{"--net=" + h.Netns(), "--"}, argv...)...)
}

// Dir is a directory of the host's own, removed with the lab.
func (h *Host) Dir() string { return filepath.Join("/tmp", "rock-lab-"+h.lab.Name, h.Name) }

// Lab returns the lab that the host is in.
func (h *Host) Lab() *Lab { return h.lab }

// Netns is the path of the host's network namespace.
func (h *Host) Netns() string { return "/run/netns/" + h.namespace() }

func (h *Host) namespace() string { return "rock-" + h.lab.Name + "-" + h.Name }

// Addr is the host's present IPv4 address on a path.
func (h *Host) Addr(path int) netip.Addr {
	if h.Name == "A" && h.lab.N != nil {
		return netip.AddrFrom4([4]byte{192, 168, byte(path), byte(2 + h.changed[path])})
	}
	return netip.AddrFrom4([4]byte{10, byte(path), h.number(), byte(2 + h.changed[path])})
}

// Addr6 is the host's present IPv6 address on a path. A behind a NAT has none.
func (h *Host) Addr6(path int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:%d:%d::%x", path, h.number(), 2+h.changed[path]))
}

// gateway is the router's IPv4 address on the host's side of a path.
func (h *Host) gateway(path int) netip.Addr {
	a := h.Addr(path).As4()
	a[3] = 1
	return netip.AddrFrom4(a)
}

func (h *Host) number() byte {
	switch h.Name {
	case "B":
		return 2
	case "C":
		return 3
	}
	return 1
}

// Unplug pulls the host's cable on a path at its far end: the host keeps its
// address and sees its carrier go. It returns when it was done.
func (h *Host) Unplug(path int) time.Time {
	h.lab.t.Helper()
	return h.lab.event("link", h.Name, strconv.Itoa(path), "down")
}

// Plug undoes Unplug.
func (h *Host) Plug(path int) time.Time {
	h.lab.t.Helper()
	return h.lab.event("link", h.Name, strconv.Itoa(path), "up")
}

// ChangeAddr replaces the host's addresses on a path, IPv4 and IPv6, by the next
// ones of the same networks; the old ones are gone before the new ones are there.
func (h *Host) ChangeAddr(path int) time.Time {
	h.lab.t.Helper()
	at := h.lab.event("addr", h.Name, "change", strconv.Itoa(path))
	h.changed[path]++
	return at
}

// Sysctl sets a value under /proc/sys/net on this host only.
func (h *Host) Sysctl(name, value string) {
	h.lab.t.Helper()
	out, err := h.Command("sh", "-c", "echo "+value+" >/proc/sys/net/"+name).CombinedOutput()
	if err != nil {
		h.lab.t.Fatalf("%s: set %s to %s: %v\n%s", h.Name, name, value, err, out)
	}
}

var packets = regexp.MustCompile(`counter packets (\d+)`)

// forwardCount is how many packets the router's present rule has met.
func (h *Host) forwardCount() int {
	out, err := h.Command("nft", "list", "chain", "inet", "lab", "forward").Output()
	if err != nil {
		h.lab.t.Fatalf("%s: read the counter: %v", h.Name, err)
	}
	n := 0
	if m := packets.FindStringSubmatch(string(out)); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// Pids are the processes that are on the host now.
func (h *Host) Pids() []string {
	out, err := exec.Command("ip", "netns", "pids", h.namespace()).Output()
	if err != nil {
		h.lab.t.Fatalf("%s: list processes: %v", h.Name, err)
	}
	return strings.Fields(string(out))
}
