package tests

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
	"rock/tests/pcap"
)

// exchange has a client and a server program say their lines to each other, the
// client first or the server first, and returns what was on the wire at the server.
func exchange(t *testing.T, client, server harness.Side, serverFirst bool) []*pcap.Flow {
	t.Helper()
	l := lab.New(t)
	const port = 7400
	at := harness.At(l.B, 1, port).String()
	serverSteps := "listen=" + at + " accept recv send=" + answer + " recvall close"
	clientSteps := "dial=" + at + " connect send=" + question + " recv close"
	if serverFirst {
		serverSteps = "listen=" + at + " accept send=" + answer + " recvall close"
		clientSteps = "dial=" + at + " connect recv send=" + question + " close"
	}
	program := func(h *lab.Host, s harness.Side, steps string) harness.Spec {
		return harness.Spec{Host: h, Side: s, Argv: append([]string{harness.Program(t, "talk")}, strings.Fields(steps)...)}
	}
	// All of the path is recorded, so that nothing of ours is missed on another port.
	capture := l.B.Capture(1, "")
	srv := program(l.B, server, serverSteps).Start(t)
	harness.WaitListening(t, l.B, port)
	program(l.A, client, clientSteps).Output(t)
	srv.Wait(t)
	return capture.Stop()
}

const (
	question = "the-question-of-the-program"
	answer   = "the-answer-of-the-program"
)

// The wire carries the program's bytes and nothing else if one of the ends is
// ordinary: on one connection, and not a byte on any other.
func TestCaptureNothingReachesOrdinaryPrograms(t *testing.T) {
	for _, serverFirst := range []bool{false, true} {
		name := "client speaks first"
		if serverFirst {
			name = "server speaks first"
		}
		for _, mix := range [][2]harness.Side{{harness.Plain, harness.Plain}, {harness.Rock, harness.Plain}, {harness.Plain, harness.Rock}} {
			client, server := mix[0], mix[1]
			t.Run(fmt.Sprintf("%s, %s client, %s server", name, client, server), func(t *testing.T) {
				t.Parallel()
				harness.SkipUnlessPlain(t, client, server)
				spoke := 0
				for _, f := range exchange(t, client, server, serverFirst) {
					if len(f.ToServer.Bytes) == 0 && len(f.ToClient.Bytes) == 0 {
						continue
					}
					spoke++
					if string(f.ToServer.Bytes) != question || string(f.ToClient.Bytes) != answer {
						t.Errorf("on the wire: %q and %q, want %q and %q", f.ToServer.Bytes, f.ToClient.Bytes, question, answer)
					}
				}
				if spoke != 1 {
					t.Errorf("%d connections carried bytes, want 1", spoke)
				}
			})
		}
	}
}

// The same recording shows the protocol when both ends have rocks, so that it is
// known to see it.
func TestCaptureSeesRocks(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	var toServer []byte
	for _, f := range exchange(t, harness.Rock, harness.Rock, false) {
		toServer = append(toServer, f.ToServer.Bytes...)
	}
	if !bytes.Contains(toServer, []byte(question)) || bytes.Equal(toServer, []byte(question)) {
		t.Errorf("on the wire to the server: %q", toServer)
	}
}
