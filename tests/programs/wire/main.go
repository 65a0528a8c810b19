// Wire is a cable between two hosts of a lab that has a length and a rate, for the benchmark:
//
//	wire [-rate MBIT] [-delay D] [-queue BYTES] NETNS CIDR NETNS CIDR
//
// It makes an interface called wire in both network namespaces, given by paths, gives it the address, and carries what one
// sends to the other until it is killed: so many megabits in a second, each byte after so much time, with a queue of so many
// bytes before it. What does not fit into the queue is lost. It prints "up" when the cable is there.
//
// Packets are as large as the kernel makes them (virtio-net headers, TUNSETOFFLOAD), so that this costs little.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	rate := flag.Float64("rate", 1000, "megabits per second")
	delay := flag.Duration("delay", 0, "how long a byte is on its way")
	queue := flag.Int("queue", 4<<20, "`bytes` that may wait")
	flag.Parse()
	if err := run(flag.Args(), *rate, *delay, *queue); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}

func run(args []string, rate float64, delay time.Duration, queue int) error {
	if len(args) != 4 || rate <= 0 || queue <= 0 {
		return errors.New("two namespaces with an address each are needed, a rate and a queue")
	}
	a, err := plug(args[0], args[1])
	if err != nil {
		return err
	}
	b, err := plug(args[2], args[3])
	if err != nil {
		return err
	}
	fmt.Println("up")
	failed := make(chan error)
	for _, ends := range [][2]*os.File{{a, b}, {b, a}} {
		d := &direction{from: ends[0], to: ends[1], perByte: time.Duration(8e3 / rate), delay: delay, queue: queue}
		go func() { failed <- d.carry() }()
	}
	return <-failed
}

// plug makes one end in a network namespace. The namespace of a thread is inherited by what it starts; the thread ends
// with its goroutine.
func plug(netns, cidr string) (f *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f, err = plugHere(netns, cidr)
	}()
	<-done
	if err != nil {
		return nil, fmt.Errorf("end in %s: %w", netns, err)
	}
	return f, nil
}

func plugHere(netns, cidr string) (*os.File, error) {
	ns, err := unix.Open(netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ns)
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq("wire")
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("make the interface: %w", err)
	}
	const offload = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offload); err != nil {
		return nil, fmt.Errorf("have large packets: %w", err)
	}
	for _, argv := range [][]string{
		{"ip", "addr", "add", cidr, "dev", "wire"},
		{"ip", "link", "set", "wire", "up", "txqueuelen", "10000"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v: %w: %s", argv, err, out)
		}
	}
	return os.NewFile(uintptr(fd), "wire in "+netns), nil
}
