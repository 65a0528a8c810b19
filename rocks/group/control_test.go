package group

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// goldenMessages are the messages that CONTROL.md shows, in the order of the document.
var goldenMessages = []struct {
	name  string
	value any
	empty func() any
}{
	{"request", &Request{Version: 1, Op: OpInfo}, func() any { return new(Request) }},
	{"pong", &Reply{Version: 1}, func() any { return new(Reply) }},
	{"refusal", &Reply{Version: 1, Error: "dance: not yet"}, func() any { return new(Reply) }},
	{"question", &Reply{Version: 1, Question: &Question{What: QuestionStep, Point: StepReady}}, func() any { return new(Reply) }},
	{"answer", &Request{Version: 1, Op: OpAnswer, Answer: AnswerGo}, func() any { return new(Request) }},
	{"info", &Reply{Version: 1, Info: &Info{
		ID: "00c0ffee", Pid: 1001, Front: 1000, Supervisor: 1002, Command: []string{"sleep", "10"},
		State: Running, Started: time.Unix(1700000000, 0), Port: 40000,
	}}, func() any { return new(Reply) }},
}

// documented returns the hexadecimal blocks of CONTROL.md.
func documented(t *testing.T) [][]byte {
	t.Helper()
	b, err := os.ReadFile("CONTROL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(string(b), "## Examples")
	var blocks [][]byte
	for _, block := range regexp.MustCompile(`(?m)(^ {4}.*\n)+`).FindAllString(examples, -1) {
		m, err := hex.DecodeString(strings.Join(strings.Fields(block), ""))
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, m)
	}
	return blocks
}

func TestControlDocument(t *testing.T) {
	blocks := documented(t)
	if len(blocks) != len(goldenMessages) {
		t.Fatalf("CONTROL.md has %d examples, want %d", len(blocks), len(goldenMessages))
	}
	for i, m := range goldenMessages {
		var b bytes.Buffer
		if err := writeMessage(&b, m.value, MaxReply); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), blocks[i]) {
			t.Errorf("%s: got %x, want %x as documented", m.name, b.Bytes(), blocks[i])
		}
		got := m.empty()
		if err := readMessage(bytes.NewReader(blocks[i]), got, MaxReply); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if !reflect.DeepEqual(got, m.value) {
			t.Errorf("%s: got %+v, want %+v", m.name, got, m.value)
		}
	}
}

func TestReadMessage(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", io.EOF},
		{"part of the length", "0000", io.ErrUnexpectedEOF},
		{"part of the message", "0000000c82a176", io.ErrUnexpectedEOF},
		{"too long", "00001001", ErrTooLarge},
		{"far too long", "ffffffff", ErrTooLarge},
	} {
		b, _ := hex.DecodeString(tt.hex)
		if err := readMessage(bytes.NewReader(b), new(Request), MaxRequest); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := readMessage(strings.NewReader("\x00\x00\x00\x01\xc1"), new(Request), MaxRequest); err == nil {
		t.Error("what is no MessagePack was accepted")
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, m := range goldenMessages {
		var b bytes.Buffer
		if err := writeMessage(&b, m.value, MaxReply); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readMessage(bytes.NewReader(b), new(Request), MaxRequest)
		_ = readMessage(bytes.NewReader(b), new(Reply), 1<<16)
	})
}

// fakeGroup answers in tests.
type fakeGroup struct{ rocks []Rock }

func (fakeGroup) Info() Info      { return Info{ID: "00c0ffee", State: Running} }
func (f fakeGroup) Rocks() []Rock { return f.rocks }

// Checkpoint counts to three, unless it is to a place that cannot be, or one that lasts for ever.
func (fakeGroup) Checkpoint(ctx context.Context, o CheckpointOptions, d Dialogue) (*CheckpointReport, error) {
	switch o.Dir {
	case "/nowhere":
		return nil, errors.New("there is no such place")
	case "/for/ever":
		<-ctx.Done()
		d.Progress(Progress{Phase: "given up"})
		return nil, context.Cause(ctx)
	}
	if o.Dir == "/too/late" {
		d.Progress(Progress{Phase: "write"})
		<-ctx.Done()
		return &CheckpointReport{Dir: o.Dir}, nil
	}
	for i := range int64(3) {
		d.Progress(Progress{Phase: "count", Done: i + 1, Total: 3})
	}
	return &CheckpointReport{Dir: o.Dir, Running: o.LeaveRunning, Pages: 7}, nil
}

// Migrate copies what comes from one end of the transport to the other, and asks how to end.
func (fakeGroup) Migrate(ctx context.Context, o MigrateOptions, link Transport, d Dialogue) (*MigrateReport, error) {
	defer link.Close()
	n, err := io.Copy(link.To, link.From)
	if err != nil {
		return nil, err
	}
	d.Progress(Progress{Phase: "sent", Done: n})
	answer, err := d.Ask(ctx, Question{What: QuestionOutcome, Token: o.Token})
	if err != nil {
		return nil, err
	}
	return &MigrateReport{To: o.Host, Warnings: []string{answer}}, nil
}

func (fakeGroup) Leave() error { return errors.New("not yet") }

// The descriptors of a transport go along with the request, and the client is asked.
func TestControlMigrate(t *testing.T) {
	g := serveFake(t, fakeGroup{})
	in, sayTo := pipe(t)
	hearFrom, out := pipe(t)
	go func() {
		sayTo.WriteString("over there")
		sayTo.Close()
	}()
	heard := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(hearFrom)
		heard <- string(b)
	}()
	var phases []string
	r, err := g.Migrate(t.Context(), MigrateOptions{Token: "abc", Host: "b"}, Transport{in, out}, Talk{
		Progress: func(p Progress) { phases = append(phases, p.Phase) },
		Answer: func(_ context.Context, q Question) (string, error) {
			return q.What + " of " + q.Token, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := <-heard; s != "over there" {
		t.Errorf("%q came through, want %q", s, "over there")
	}
	if want := "outcome of abc"; r.To != "b" || len(r.Warnings) != 1 || r.Warnings[0] != want || !slices.Equal(phases, []string{"sent"}) {
		t.Errorf("got %+v after %q, want the answer %q", r, phases, want)
	}
}

// A client that has no answer leaves, and the operation hears of it.
func TestControlNotAnswered(t *testing.T) {
	g := serveFake(t, fakeGroup{})
	in, sayTo := pipe(t)
	_, out := pipe(t)
	sayTo.Close()
	if _, err := g.Migrate(t.Context(), MigrateOptions{}, Transport{in, out}, Talk{}); !errors.Is(err, errNotAsked) {
		t.Errorf("error %v, want %v", err, errNotAsked)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestControlCheckpoint(t *testing.T) {
	g := serveFake(t, fakeGroup{})
	var heard []Progress
	r, err := g.Checkpoint(t.Context(), CheckpointOptions{Dir: "/there", LeaveRunning: true}, Talk{Progress: func(p Progress) { heard = append(heard, p) }})
	if err != nil || !reflect.DeepEqual(r, &CheckpointReport{Dir: "/there", Running: true, Pages: 7}) {
		t.Errorf("got %+v, %v", r, err)
	}
	if want := []Progress{{"count", 1, 3}, {"count", 2, 3}, {"count", 3, 3}}; !reflect.DeepEqual(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if _, err := g.Checkpoint(t.Context(), CheckpointOptions{Dir: "/nowhere"}, Talk{}); message(err) != "checkpoint group 00c0ffee: there is no such place" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := g.Checkpoint(ctx, CheckpointOptions{Dir: "/for/ever"}, Talk{}); !errors.Is(err, ErrGivenUp) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	r, err = g.Checkpoint(ctx, CheckpointOptions{Dir: "/too/late"}, Talk{Progress: func(Progress) { cancel() }})
	if err != nil || r.Dir != "/too/late" {
		t.Errorf("given up too late: got %+v, %v", r, err)
	}
}

// A group that ends with its checkpoint closes its server right after it: the reply must come all the same.
func TestControlReportAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	s, err := Serve(path, fakeGroup{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{Info: Info{ID: "00c0ffee"}, socket: path}
	r, err := g.Checkpoint(t.Context(), CheckpointOptions{Dir: "/too/late"}, Talk{Progress: func(Progress) {
		go func() { _ = s.Close() }()
	}})
	if err != nil || r.Dir != "/too/late" {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := g.Checkpoint(t.Context(), CheckpointOptions{Dir: "/there"}, Talk{}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("closed: got %v", err)
	}
}

// serveFake serves a group and returns a way to it.
func serveFake(t *testing.T, answers Answers) *Group {
	t.Helper()
	// Longer than a socket address can be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control")
	s, err := Serve(path, answers, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Group{Info: Info{ID: "00c0ffee"}, socket: path}
}

func TestControl(t *testing.T) {
	rocks := []Rock{{ID: "a", State: "suspended", InFlight: 17, Since: time.Unix(1700000000, 5), Error: "gone"}}
	g := serveFake(t, fakeGroup{rocks})
	ctx := context.Background()
	for _, tt := range []struct {
		op, err string
	}{
		{OpPing, ""}, {OpInfo, ""}, {OpConns, ""},
		{OpCheckpoint, "checkpoint: the request does not say where to"},
		{"dance", `unknown operation "dance"`},
	} {
		_, err := g.ask(ctx, tt.op)
		if got := message(err); got != tt.err {
			t.Errorf("%s: got error %q, want %q", tt.op, got, tt.err)
		}
	}
	got, err := g.AskRocks(ctx)
	if err != nil || !reflect.DeepEqual(got, rocks) {
		t.Errorf("rocks: got %+v (%v), want %+v", got, err, rocks)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestControlClients lets many clients do nothing, or wrong things: others must still get answers, and
// Close must not wait for them.
func TestControlClients(t *testing.T) {
	g := serveFake(t, fakeGroup{})
	for i := range maxClients - 1 {
		short, done, err := shortPath(g.socket)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", short)
		done()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 0 {
			_, _ = c.Write([]byte{0, 0, 0, 9, 1, 2})
		}
	}
	if _, err := g.ask(context.Background(), OpPing); err != nil {
		t.Error(err)
	}
}

// TestControlLastAnswer closes the server while a checkpoint is made, which may be the end of the group: the answer
// still comes.
func TestControlLastAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	answers := slowGroup{began: make(chan struct{}), end: make(chan struct{})}
	s, err := Serve(path, answers, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{Info: Info{ID: "00c0ffee"}, socket: path}
	done := make(chan error, 1)
	go func() {
		_, err := g.Checkpoint(context.Background(), CheckpointOptions{Dir: "/there"}, Talk{})
		done <- err
	}()
	<-answers.began
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for { // the server is closed, but for us
		if _, err := g.ask(context.Background(), OpPing); err != nil {
			break
		}
	}
	close(answers.end)
	if err := errors.Join(<-done, <-closed); err != nil {
		t.Error(err)
	}
}

// slowGroup makes a checkpoint that lasts until it is told to end.
type slowGroup struct {
	fakeGroup
	began, end chan struct{}
}

func (g slowGroup) Checkpoint(_ context.Context, o CheckpointOptions, _ Dialogue) (*CheckpointReport, error) {
	close(g.began)
	<-g.end
	return &CheckpointReport{Dir: o.Dir}, nil
}

func TestControlVersion(t *testing.T) {
	s := &Server{answers: fakeGroup{}}
	if r := s.answer(nil, Request{Version: 2, Op: OpPing}, nil); !strings.Contains(r.Error, "version 2") {
		t.Errorf("got %+v, want a refusal of version 2", r)
	}
}

func TestControlTooLarge(t *testing.T) {
	const each = 64 << 10 // few large ones take less time than many small ones
	g := serveFake(t, fakeGroup{slices.Repeat([]Rock{{Error: strings.Repeat("x", each)}}, MaxReply/each)})
	if _, err := g.AskRocks(context.Background()); err == nil || !strings.Contains(err.Error(), ErrTooLarge.Error()) {
		t.Errorf("got %v, want it to be too large", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/control", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g := &Group{socket: dir + "/control"}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1)) // and says nothing
		cancel()
		_, _ = io.Copy(io.Discard, c)
	}()
	if _, err := g.ask(ctx, OpPing); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("got %v, want %v", err, ErrNoAnswer)
	}
}
