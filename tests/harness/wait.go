package harness

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rock/tests/lab"
)

// WaitOutput waits until the program has written something that matches the
// expression to its standard output or error, and returns the groups of the match.
func (p *Proc) WaitOutput(t testing.TB, expression string) []string {
	t.Helper()
	re := regexp.MustCompile(expression)
	deadline := time.After(Patience)
	ended := p.done
	if p.spec.Travels {
		ended = nil // whoever has it now may write on
	}
	for {
		out, moreOut := p.stdout.snapshot()
		errs, moreErr := p.stderr.snapshot()
		for _, text := range [][]byte{out, errs} {
			if m := re.FindSubmatch(text); m != nil {
				groups := make([]string, len(m))
				for i := range m {
					groups[i] = string(m[i])
				}
				return groups
			}
		}
		select {
		case <-moreOut:
		case <-moreErr:
		case <-ended:
			// What it wrote last may have come after the snapshot.
			out, _ := p.stdout.snapshot()
			errs, _ := p.stderr.snapshot()
			if !re.Match(out) && !re.Match(errs) {
				t.Fatalf("%q on side %s ended without writing %q\n%s%s", p.spec.Argv, p.spec.Side, expression, out, errs)
			}
		case <-deadline:
			t.Fatalf("%q on side %s has not written %q in %v\n%s%s", p.spec.Argv, p.spec.Side, expression, Patience, out, errs)
		}
	}
}

// LastOutput is the first group of the last match of an expression in what the program has written to its standard output up to now.
func (p *Proc) LastOutput(expression string) string {
	out, _ := p.stdout.snapshot()
	all := regexp.MustCompile(expression).FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}

// Until waits until the condition holds.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	UntilWithin(t, Patience, what, condition)
}

// UntilWithin is Until with another bound.
func UntilWithin(t testing.TB, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen in %v: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// WaitListening waits until somebody on the host listens on a TCP port, and does
// not connect to it to find out.
func WaitListening(t testing.TB, h *lab.Host, port int) {
	t.Helper()
	Until(t, "a listener on "+h.Name+" port "+strconv.Itoa(port), func() bool { return listens(h, port) })
}

// WaitFree waits until nobody on the host listens on a TCP port any more. The supervisor of a server that has just ended may, for
// some milliseconds: WaitListening would take its listener for that of the next server.
func WaitFree(t testing.TB, h *lab.Host, port int) {
	t.Helper()
	Until(t, "port "+strconv.Itoa(port)+" of "+h.Name+" to be free", func() bool { return !listens(h, port) })
}

func listens(h *lab.Host, port int) bool {
	out, err := h.Command("ss", "-Hltn", "sport = :"+strconv.Itoa(port)).Output()
	return err == nil && len(strings.TrimSpace(string(out))) > 0
}

// At is the address of a port on a host's path.
func At(h *lab.Host, path, port int) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr(path), uint16(port))
}

// At6 is At for IPv6.
func At6(h *lab.Host, path, port int) netip.AddrPort {
	return netip.AddrPortFrom(h.Addr6(path), uint16(port))
}
