package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"rock/rocks/remote/talk"
)

// quiet are options that keep an ssh of ours from doing what the user's files may want of a session. All of them are in
// OpenSSH 7.6.
var quiet = []string{"-T", "-oClearAllForwardings=yes", "-oRequestTTY=no", "-oRemoteCommand=none", "-oPermitLocalCommand=no",
	"-oForwardX11=no", "-oForwardAgent=no", "-oTunnel=no"}

// findRockd begins what a shell there is to do: rockd may be where a user without root has installed it.
const findRockd = `PATH="$PATH:$HOME/.local/bin:/usr/local/bin"; `

// ssh is how to run ssh to the host of a command.
type ssh struct {
	program string
	options []string // the user's that matter, behind those of the caller
	host    string
	master  string // path of a socket by which several ssh share a connection (ssh_config(5), ControlPath); "" for none
}

func (c *Command) ssh(user string) ssh {
	s := ssh{program: "ssh", options: c.options, host: c.host}
	if c.program == "ssh" {
		s.program = c.argv[0]
	}
	if user != "" {
		s.options = append([]string{"-l", user}, s.options...) // the first counts
	}
	return s
}

// command returns the command that has a shell there do something. ssh's options come before the user's.
func (s ssh) command(options []string, script string) *exec.Cmd {
	argv := append(append(append([]string{}, quiet...), options...), s.options...)
	return exec.Command(s.program, append(argv, s.host, "exec sh -c "+word(script))...) // whatever shell the user has
}

// word quotes a word for a shell.
func word(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// literal keeps ssh from finding tokens in the value of an option (ssh_config(5), TOKENS).
func literal(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// sharing returns the options by which an ssh shares the connection of one before, so that nobody is asked again. Without a
// master it may be one of the user's own.
func (s ssh) sharing() []string {
	if s.master == "" {
		return []string{"-oControlMaster=no"}
	}
	return []string{"-oControlMaster=auto", "-oControlPath=" + literal(s.master), "-oControlPersist=yes"}
}

// stopMaster has the shared connection end with the last ssh that uses it.
func (s ssh) stopMaster() {
	if _, err := os.Stat(s.master); err == nil {
		_ = exec.Command(s.program, append(s.sharing(), "-O", "stop", s.host)...).Run()
	}
}

// address returns what the user's files take the host for: a name or an address.
func (s ssh) address(ctx context.Context) (string, error) {
	argv := append(append([]string{"-G"}, s.options...), s.host)
	out, err := exec.CommandContext(ctx, s.program, argv...).Output()
	if err != nil {
		return "", fmt.Errorf("%s -G: %w", s.program, err)
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "hostname "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%s -G does not tell the host's name", s.program)
}

// helper is the ssh that has started rockd.
type helper struct {
	cmd    *exec.Cmd
	talk   *talk.Conn
	in     io.Closer
	stderr bytes.Buffer // while no questions are allowed
	asked  bool         // it may have asked the user
	ended  chan struct{}
	status error // once ended
}

// missingMark comes before the kind of host where no rockd was found.
const missingMark = "rockd-missing "

// startHelper starts rockd and waits until it says hello. If ssh has to ask something it is started once more, and does.
func startHelper(ctx context.Context, s ssh) (*helper, error) {
	h, err := tryHelper(ctx, s, false)
	if err != nil && h.wantsToAsk() && ctx.Err() == nil {
		h, err = tryHelper(ctx, s, true)
	}
	return h, err
}

func tryHelper(ctx context.Context, s ssh, ask bool) (*helper, error) {
	options := s.sharing()
	if !ask {
		options = append(options, "-oBatchMode=yes")
	}
	h := &helper{asked: ask, ended: make(chan struct{})}
	h.cmd = s.command(options, findRockd+"command -v rockd >/dev/null 2>&1 || { echo "+missingMark+"$(uname -sm); exit 127; }; exec rockd once")
	h.cmd.Stderr = &h.stderr
	if ask {
		h.cmd.Stderr = os.Stderr
	}
	in, inErr := h.cmd.StdinPipe()
	out, outErr := h.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return h, err
	}
	if err := h.cmd.Start(); err != nil {
		return h, fmt.Errorf("start ssh: %w", err)
	}
	var seen missing
	h.in, h.talk = in, talk.NewConn(io.TeeReader(out, &seen), in)
	go func() {
		<-h.ended
		_ = out.Close()
	}()
	stop := context.AfterFunc(ctx, func() { _ = h.cmd.Process.Kill() })
	defer stop()
	m, err := h.talk.Receive()
	if err == nil && m.Hello == nil {
		err = errors.New("rockd does not say hello")
	}
	if err == nil && m.Hello.Version != talk.Version {
		err = fmt.Errorf("rockd on %s is of rock %s and speaks version %d, this is version %d: install the same version there (--install)",
			s.host, m.Hello.Rock, m.Hello.Version, talk.Version)
	}
	if err == nil {
		go h.reap()
		return h, nil
	}
	_ = in.Close()
	go h.reap()
	<-h.ended
	if cause := context.Cause(ctx); cause != nil {
		return h, cause
	}
	if kind := seen.kind(); kind != "" {
		return h, &MissingError{Host: s.host, Kind: kind}
	}
	return h, h.failure(err)
}

// reap waits for ssh.
func (h *helper) reap() {
	h.status = h.cmd.Wait()
	close(h.ended)
}

// close ends it.
func (h *helper) close() {
	_ = h.in.Close()
	select {
	case <-h.ended:
	case <-time.After(time.Second):
		_ = h.cmd.Process.Kill()
		<-h.ended
	}
}

// question is what ssh says when it would have had to ask, or to have an answer.
var question = regexp.MustCompile(`(?i)permission denied|host key|authenticity|too many authentication failures|verification code`)

func (h *helper) wantsToAsk() bool { return !h.asked && question.Match(h.stderr.Bytes()) }

// failure says why there is no rockd: what ssh has said, if it was that.
func (h *helper) failure(err error) error {
	var exit *exec.ExitError
	if !errors.As(h.status, &exit) {
		return err
	}
	const sshFailed = 255
	text := strings.TrimSpace(h.stderr.String())
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	if text == "" {
		text = exit.String()
		if exit.ExitCode() == sshFailed {
			text = "no connection" // and ssh has told the user why
		}
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Errorf("ssh was ended: %v", ws.Signal())
	}
	return fmt.Errorf("start rockd by ssh: %s", text)
}

// MissingError says that there is no rockd on a host.
type MissingError struct {
	Host string
	Kind string // of host, as uname -sm says
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s has no rockd: rock -d --install copies it there (to .local/bin), or install rock there", e.Host)
}

// missing looks for missingMark in what goes through it.
type missing struct{ text []byte }

func (m *missing) Write(b []byte) (int, error) {
	const enough = 1 << 20
	m.text = append(m.text, b[:min(len(b), enough-len(m.text))]...)
	return len(b), nil
}

func (m *missing) kind() string {
	s := bufio.NewScanner(bytes.NewReader(m.text))
	for s.Scan() {
		if _, kind, ok := strings.Cut(s.Text(), missingMark); ok {
			return strings.TrimSpace(kind)
		}
	}
	return ""
}
