package lab

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rock/tests/pcap"
)

// Capture is a running tcpdump on one interface of a host.
type Capture struct {
	host *Host
	path int
	cmd  *exec.Cmd
	file string
	done chan error
}

// Capture begins to record the TCP packets of a path that match filter (tcpdump's
// words, empty for all) and returns when tcpdump listens.
func (h *Host) Capture(path int, filter string) *Capture {
	t := h.lab.t
	t.Helper()
	c := &Capture{host: h, path: path, file: filepath.Join(t.TempDir(), "capture.pcap"), done: make(chan error, 1)}
	argv := []string{"tcpdump", "-i", "eth" + strconv.Itoa(path), "-Z", "root", "--immediate-mode", "-U",
		"-B", "32768", "-w", c.file, "tcp"}
	if filter != "" {
		argv = append(argv, "and", "(", filter, "or", "port", strconv.Itoa(markPort), ")")
	}
	c.cmd = h.Command(argv...)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.host.Start(c.cmd); err != nil {
		t.Fatalf("%s: start tcpdump: %v", h.Name, err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	go func() {
		for lines.Scan() { // lest it blocks on a full pipe
		}
		c.done <- c.cmd.Wait()
	}()
	return c
}

// markPort is where nobody listens. A refused connection to the router's closes a
// recording: when it is in the file, all that came before it is, too.
const markPort = 65533

// Stop ends the recording and returns the connections in it.
func (c *Capture) Stop() []*pcap.Flow {
	t := c.host.lab.t
	t.Helper()
	c.host.Command("nc", "-z", c.host.gateway(c.path).String(), strconv.Itoa(markPort)).Run()
	var flows []*pcap.Flow
	marked := -1
	for deadline := time.Now().Add(time.Minute); marked < 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("tcpdump has recorded %d connections but not the last one", len(flows))
		}
		flows = c.read()
		marked = slices.IndexFunc(flows, func(f *pcap.Flow) bool { return f.Server.Port() == markPort })
	}
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatalf("stop tcpdump: %v", err)
	}
	<-c.done
	return slices.Delete(flows, marked, marked+1)
}

// read returns the connections that are in the file now.
func (c *Capture) read() []*pcap.Flow {
	t := c.host.lab.t
	f, err := os.Open(c.file)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	defer f.Close()
	flows, err := pcap.Flows(bufio.NewReader(f))
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	return flows
}
