package harness

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"rock/tests/lab"
)

// TransferSpec describes two stream programs that send to each other.
type TransferSpec struct {
	Server, Client         *lab.Host
	ServerSide, ClientSide Side

	Bytes int64         // each way
	Rate  int64         // bytes per second each way, 0 for no limit
	Tick  time.Duration // small blocks this often instead, until Finish
	Gap   time.Duration // a pause that is longer is told of; 0 for 100 ms; not in Python or C
	Idle  bool          // nothing, until Finish
	// As much as the Rate allows, until Finish; not in Python or C.
	Endless bool
	// The ends that have names can move to other hosts, and the Tick, Idle and Endless have no need of standard input.
	Travels bool
	// Which ends are stream.py (asyncio) or job (C, several processes) instead of the static Go program.
	PythonServer, PythonClient bool
	JobServer, JobClient       bool
	ServerProgram              string // a copy of the static Go program for the server
	Keep                       bool   // the server listens all the time; not in Python or C
	User                       string // who runs both, empty for root
	// What the groups are called that are to be checkpointed (on side Rock), empty for others.
	ServerName, ClientName string
	Env                    []string // added to the environment of both ends, and of their rocks
	ClientEnv              []string // added to the environment of the client, and of its rock
	ClientPrefix           []string // a command line that the client's follows
	RockPrefix             []string // the same for the client's rock

	At     netip.AddrPort // where to connect to; path 1 and port 7000 if zero
	Listen string         // where to listen, every address on At's port if empty
}

// Transfer is a pair of stream programs at work.
type Transfer struct {
	Server, Client *Proc
	spec           TransferSpec
	until          string // a file that ends it when it is there, empty if the end of standard input does
}

// Event is a line of a stream program's output.
type Event struct {
	Event          string
	Time, Since    float64
	Local, Remote  string
	Sent, Received int64
	SentSHA        string `json:"sent_sha"`
	ReceivedSHA    string `json:"received_sha"`
	Error          string
}

// At is when it was printed.
func (e Event) At() time.Time { return moment(e.Time) }

func moment(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }

// Start starts the server, waits until it listens, and starts the client.
func (s TransferSpec) Start(t testing.TB) *Transfer {
	t.Helper()
	if !s.At.IsValid() {
		s.At = At(s.Server, 1, 7000)
	}
	if s.Listen == "" {
		s.Listen = ":" + strconv.Itoa(int(s.At.Port()))
	}
	tr := &Transfer{spec: s}
	if s.Travels && (s.Tick > 0 || s.Idle || s.Endless) {
		tr.until = filepath.Join(TempDir(t), "end")
	}
	server := Spec{Host: s.Server, Side: s.ServerSide, Name: s.ServerName}
	tr.Server = tr.start(t, server, s.ServerProgram, s.PythonServer, s.JobServer, "-listen", s.Listen)
	tr.Server.WaitOutput(t, `"listening"`)
	client := Spec{Host: s.Client, Side: s.ClientSide, Name: s.ClientName, Env: s.ClientEnv, Argv: s.ClientPrefix, before: s.RockPrefix}
	tr.Client = tr.start(t, client, "", s.PythonClient, s.JobClient, "-dial", s.At.String())
	return tr
}

// start starts one end, of which all is said but the program.
func (tr *Transfer) start(t testing.TB, spec Spec, copied string, python, job bool, argv ...string) *Proc {
	s := &tr.spec
	spec.Env = append(slices.Clone(spec.Env), s.Env...)
	program := []string{Program(t, "stream")}
	switch {
	case copied != "":
		program = []string{copied}
	case python:
		program = []string{Python, "-u", Program(t, "stream.py")}
	case job:
		program = []string{Program(t, "job")}
	}
	argv = append(program, argv...)
	switch {
	case s.Tick > 0:
		argv = append(argv, "-tick", s.Tick.String())
	case s.Idle:
		argv = append(argv, "-idle")
	case s.Endless:
		argv = append(argv, "-endless", "-rate", strconv.FormatInt(s.Rate, 10))
	default:
		argv = append(argv, "-bytes", strconv.FormatInt(s.Bytes, 10), "-rate", strconv.FormatInt(s.Rate, 10))
	}
	if tr.until != "" {
		argv = append(argv, "-until", tr.until)
	}
	if s.Gap > 0 {
		argv = append(argv, "-gap", s.Gap.String())
	}
	if s.Keep {
		argv = append(argv, "-keep")
	}
	spec.Travels = s.Travels && spec.Name != ""
	spec.Argv, spec.User = append(slices.Clone(spec.Argv), argv...), s.User
	return spec.Start(t)
}

// Events are what an end has printed so far.
func (tr *Transfer) Events(p *Proc) []Event {
	out, _ := p.stdout.snapshot()
	var all []Event
	for line := range bytes.Lines(out) {
		var e Event
		if json.Unmarshal(line, &e) == nil { // the last line may not be whole
			all = append(all, e)
		}
	}
	return all
}

// Received is how much the end that is further behind has received.
func (tr *Transfer) Received() int64 {
	return min(tr.received(tr.Server), tr.received(tr.Client))
}

// received is how much one end has received, as far as it has said so.
func (tr *Transfer) received(p *Proc) int64 {
	if events := tr.Events(p); len(events) > 0 {
		return events[len(events)-1].Received
	}
	return 0
}

// WaitReceived waits until both ends have received n bytes.
func (tr *Transfer) WaitReceived(t testing.TB, n int64) {
	t.Helper()
	Until(t, strconv.FormatInt(n, 10)+" bytes received by both ends", func() bool { return tr.Received() >= n })
}

// Dies reports whether the transfer, undisturbed from now on, fails or makes no
// progress for the given time. That is what plain TCP is expected to do.
func (tr *Transfer) Dies(silence time.Duration) bool {
	last, since := tr.Received(), time.Now()
	for time.Since(since) < silence {
		select {
		case <-tr.Client.Ended():
			return tr.Client.cmd.ProcessState.ExitCode() != 0
		case <-tr.Server.Ended():
			return tr.Server.cmd.ProcessState.ExitCode() != 0
		case <-time.After(100 * time.Millisecond):
		}
		if n := tr.Received(); n != last {
			last, since = n, time.Now()
		}
	}
	return true
}

// Finish waits for the end of both programs and checks that neither met an error
// and that each received exactly what the other sent.
func (tr *Transfer) Finish(t testing.TB) {
	t.Helper()
	switch {
	case tr.until != "":
		if err := os.WriteFile(tr.until, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	case tr.spec.Tick > 0 || tr.spec.Idle || tr.spec.Endless:
		tr.Client.Stdin.Close()
		tr.Server.Stdin.Close()
	}
	client, server := tr.result(t, tr.Client), tr.result(t, tr.Server)
	if client.SentSHA != server.ReceivedSHA || server.SentSHA != client.ReceivedSHA {
		t.Errorf("what arrived is not what was sent:\nclient %+v\nserver %+v", client, server)
	}
	if tr.spec.Bytes > 0 && (client.Received < tr.spec.Bytes || server.Received < tr.spec.Bytes) {
		t.Errorf("received %d and %d bytes, want %d", client.Received, server.Received, tr.spec.Bytes)
	}
}

// result is the last event of an end that has ended well.
func (tr *Transfer) result(t testing.TB, p *Proc) Event {
	t.Helper()
	last := func() (e Event) {
		if all := tr.Events(p); len(all) > 0 {
			e = all[len(all)-1]
		}
		return e
	}
	code := 0
	if p.spec.Travels {
		// Its command may have ended on another host.
		UntilWithin(t, 2*Patience, "the end of "+p.spec.Name, func() bool { return last().Event == "end" })
	} else {
		code = p.WaitFor(t, 2*Patience).Code
	}
	e := last()
	if e.Event != "end" || e.Error != "" || code != 0 {
		t.Fatalf("%s on side %s: exit status %d: %+v\n%s", p.spec.Host.Name, p.spec.Side, code, e, p.stderr.tail(1500))
	}
	return e
}
