package detect

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// path is two hosts and a router between them, each a network namespace without a
// name, so that nothing is left of it when its descriptors are closed:
//
//	client                        router                        server
//	.1 ── 10.99.1.0/24 ──────── .2      .2 ──────── 10.99.2.0/24 ── .1
//	::1 ── fd99:1::/64 ──────── ::2    ::2 ──────── fd99:2::/64 ── ::1
type path struct {
	client, router, server netns.NsHandle
}

// Addresses of the server.
const (
	server4 = "10.99.2.1"
	server6 = "fd99:2::1"
)

// unavailable skips the test for want of something, or fails it where everything
// is known to be there.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("ROCK_TEST_STRICT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// newPath builds a path whose links have the given MTU on the client's side, 1500
// on the other.
func newPath(t *testing.T, mtu int) *path {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "network namespaces need root")
	}
	p := &path{client: newNamespace(t), router: newNamespace(t), server: newNamespace(t)}
	p.connect(t, mtu, p.client, "10.99.1.1/24", "fd99:1::1/64", "10.99.1.2/24", "fd99:1::2/64")
	p.connect(t, 1500, p.server, server4+"/24", server6+"/64", "10.99.2.2/24", "fd99:2::2/64")
	inside(t, p.router, func() error {
		for _, key := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+key, []byte("1"), 0); err != nil {
				return err
			}
		}
		return nil
	})
	return p
}

// connect lays a link between a host and the router and routes all over it.
func (p *path) connect(t *testing.T, mtu int, host netns.NsHandle, host4, host6, router4, router6 string) {
	t.Helper()
	h, r := handle(t, host), handle(t, p.router)
	far := fmt.Sprintf("r%d", int(host))
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = "eth0", mtu
	must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far, PeerNamespace: netlink.NsFd(int(p.router))}))
	setUp(t, r, far, router4, router6)
	setUp(t, h, "eth0", host4, host6)
	link, err := h.LinkByName("eth0")
	must(t, err)
	for _, gateway := range []string{router4, router6} {
		ip, _, err := net.ParseCIDR(gateway)
		must(t, err)
		must(t, h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: ip}))
	}
}

func setUp(t *testing.T, h *netlink.Handle, name string, addrs ...string) {
	t.Helper()
	lo, err := h.LinkByName("lo")
	must(t, err)
	must(t, h.LinkSetUp(lo))
	link, err := h.LinkByName(name)
	must(t, err)
	must(t, h.LinkSetUp(link))
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		addr.Flags = unix.IFA_F_NODAD // usable at once
		must(t, h.AddrAdd(link, addr))
	}
}

// clamp makes the router lower the MSS of what it forwards, as many do.
func (p *path) clamp(t *testing.T, mss int) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		unavailable(t, "clamping the MSS needs nft: %v", err)
	}
	inside(t, p.router, func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(`table inet clamp {
			chain forward {
				type filter hook forward priority mangle
				tcp flags syn tcp option maxseg size set %d
			}
		}`, mss))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	})
}

// newNamespace makes a network namespace that lasts as long as the test.
func newNamespace(t *testing.T) netns.NsHandle {
	t.Helper()
	made := make(chan error)
	ns := netns.None()
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		unavailable(t, "make a network namespace: %v", err)
	}
	t.Cleanup(func() { ns.Close() })
	inside(t, ns, func() error {
		// Addresses that are still checked for being unique delay the first packets.
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0)
	})
	return ns
}

// inside runs f in a network namespace. Sockets that f makes stay there.
func inside(t *testing.T, ns netns.NsHandle, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	must(t, <-done)
}

func handle(t *testing.T, ns netns.NsHandle) *netlink.Handle {
	t.Helper()
	h, err := netlink.NewHandleAt(ns)
	must(t, err)
	t.Cleanup(h.Close)
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
