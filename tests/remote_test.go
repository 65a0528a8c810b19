package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/harness"
	"rock/tests/lab"
)

// onlySSH has routers let through what goes to port 22 or comes from there, and nothing else.
func onlySSH(l *lab.Lab) {
	for path := range 2 {
		l.Filter(path+1, "tcp", "dport", "{ 1-21, 23-65535 }", "tcp", "sport", "{ 1-21, 23-65535 }", "drop")
	}
}

// gone waits until nothing of rock -d is left on the host of an account, and its keys are those that it had.
func gone(t *testing.T, a *harness.Account, keys string) {
	t.Helper()
	harness.Until(t, "rockd to end", func() bool { return len(a.Rockds()) == 0 })
	if got := a.Keys(); got != keys {
		t.Errorf("authorized_keys is %q, it was %q", got, keys)
	}
}

// eachWay has an account with rockd on B that A can reach at all ports, and one that it can reach at port 22 only.
func eachWay(t *testing.T, f func(t *testing.T, l *lab.Lab, a *harness.Account)) {
	for name, restrict := range map[string]func(*lab.Lab){"all ports": func(*lab.Lab) {}, "port 22": onlySSH} {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t, lab.Apart)
			restrict(l)
			a := harness.NewAccount(t, l.B)
			a.HasRockd(t)
			f(t, l, a)
		})
	}
}

// askedOnce checks that a terminal has shown one question for a password.
func askedOnce(t *testing.T, term *terminal) {
	t.Helper()
	term.mu.Lock()
	defer term.mu.Unlock()
	if n := strings.Count(term.text, "password: "); n != 1 {
		t.Errorf("the password was asked for %d times", n)
	}
}

// Somebody logs in by a password on a host that has nothing but sshd, and is asked for it once. The connection survives another
// address, also when only port 22 can be reached, and nothing of it is left when it has ended.
func TestRemotePassword(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	eachWay(t, func(t *testing.T, l *lab.Lab, a *harness.Account) {
		term := startTerminal(t, a.Protected(t, l.A, nil, "ssh", "-tt", a.At(), "PS1='ready> ' sh"))
		term.expect(t, "password: ")
		term.typed(t, a.Password+"\r")
		term.expect(t, "ready> ")
		l.A.ChangeAddr(1)
		term.typed(t, "echo after the $((1 + 1))nd address\r")
		term.expect(t, "after the 2nd address\r\nready> ")
		if all := conns(t, l.A); len(all) != 1 || all[0].State != "established" {
			t.Errorf("the rocks are %+v, want one that is established", all)
		}
		term.typed(t, "exit 7\r")
		if res := term.proc.Wait(t); res.Code != 7 {
			t.Errorf("exit status %d, want 7", res.Code)
		}
		askedOnce(t, term)
		gone(t, a, "")
	})
}

// Who has a key is asked nothing, and no other key is let in. All that is written arrives, and the exit status.
func TestRemoteKey(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	eachWay(t, func(t *testing.T, l *lab.Lab, a *harness.Account) {
		key := a.LetsIn(t)
		keys := a.Keys()
		spec := a.Protected(t, l.A, nil, "ssh", "-i", key, a.At(), "cat; cat .ssh/authorized_keys; exit 3")
		spec.Stdin = strings.NewReader("some words\n")
		res := spec.Run(t)
		if res.Code != 3 || res.Stdout != "some words\n"+keys || res.Stderr != "" {
			t.Errorf("exit status %d, output %q, %q", res.Code, res.Stdout, res.Stderr)
		}
		gone(t, a, keys)
	})
}

// The NAT in front of the client forgets its flows and takes another address.
func TestRemoteNAT(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart, lab.NAT, lab.OnePath)
	a := harness.NewAccount(t, l.B)
	a.HasRockd(t)
	key := a.LetsIn(t)
	p := a.Protected(t, l.A, nil, "ssh", "-i", key, a.At(), "echo there; cat").Start(t)
	p.WaitOutput(t, "there")
	for i := range 2 {
		l.RebindNAT()
		line := fmt.Sprintf("still there %d\n", i)
		if _, err := p.Stdin.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		p.WaitOutput(t, line)
	}
	p.Stdin.Close()
	if res := p.Wait(t); res.Code != 0 {
		t.Errorf("exit status %d: %s", res.Code, res.Stderr)
	}
	gone(t, a, a.Keys())
}

// A host that can be reached by way of another one only.
func TestRemoteJump(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	for path := range 2 {
		l.Filter(path+1, "ip", "saddr", l.A.Addr(path+1).String()+"/24", "ip", "daddr", l.B.Addr(path+1).String(), "drop")
	}
	a, gate := harness.NewAccount(t, l.B), harness.NewAccount(t, l.C)
	a.HasRockd(t)
	a.Knows(t, gate)
	key, gateKey := a.LetsIn(t), gate.LetsIn(t)
	keys := a.Keys()
	config := filepath.Join(harness.TempDir(t), "config")
	text := "Host gate\nHostName " + l.C.Addr(1).String() + "\nUser " + gate.Name + "\nIdentityFile " + gateKey + "\n" +
		"Host *\nUserKnownHostsFile " + strings.TrimPrefix(a.Options()[3], "UserKnownHostsFile=") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := a.Protected(t, l.A, nil, "ssh", "-F", config, "-J", "gate", "-i", key, a.At(), "echo there; cat").Start(t)
	p.WaitOutput(t, "there")
	l.A.ChangeAddr(1)
	if _, err := p.Stdin.Write([]byte("still there\n")); err != nil {
		t.Fatal(err)
	}
	p.WaitOutput(t, "still there")
	p.Stdin.Close()
	if res := p.Wait(t); res.Code != 0 {
		t.Errorf("exit status %d: %s", res.Code, res.Stderr)
	}
	gone(t, a, keys)
}

// scp copies much, with ten cuts in between.
func TestRemoteCopy(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	const length = 500_000_000
	l := lab.New(t, lab.Apart)
	a := harness.NewAccount(t, l.B)
	a.HasRockd(t)
	key := a.LetsIn(t)
	file := filepath.Join(harness.TempDir(t), "data")
	want := randomFile(t, file, length)
	copied := filepath.Join(a.Home, "data")
	p := a.Protected(t, l.A, nil, "scp", "-q", "-i", key, file, a.At()+":data").Start(t)
	for i := range 10 {
		harness.Until(t, "a part of the file", func() bool { return size(copied) > int64(i)*length/12+1 })
		l.InjectRST(1)
	}
	if res := p.Wait(t); res.Code != 0 {
		t.Fatalf("exit status %d: %s", res.Code, res.Stderr)
	}
	if got := fileSHA(t, copied); got != want {
		t.Errorf("the copy has the sum %s, want %s", got, want)
	}
}

// A host without rockd: one line says what to do, and --install does it. The password is asked for once.
func TestRemoteInstall(t *testing.T) {
	t.Parallel()
	harness.SkipUnlessPlain(t, harness.Rock)
	l := lab.New(t, lab.Apart)
	a := harness.NewAccount(t, l.B)
	key := a.LetsIn(t)
	res := a.Protected(t, l.A, nil, "ssh", "-i", key, a.At(), "true").Run(t)
	if res.Code != 125 || strings.Count(res.Stderr, "\n") != 1 || !strings.Contains(res.Stderr, a.At()+" has no rockd: rock -d --install copies it there") {
		t.Errorf("exit status %d: %q", res.Code, res.Stderr)
	}
	term := startTerminal(t, a.Protected(t, l.A, []string{"--install"}, "ssh", a.At(), "echo logged in"))
	term.expect(t, "password: ")
	term.typed(t, a.Password+"\r")
	term.expect(t, "logged in")
	if res := term.proc.Wait(t); res.Code != 0 {
		t.Errorf("exit status %d", res.Code)
	}
	askedOnce(t, term)
	res = a.Protected(t, l.A, nil, "ssh", "-i", key, a.At(), "echo again").Run(t)
	if res.Code != 0 || res.Stdout != "again\n" {
		t.Errorf("once it is installed: exit status %d: %q", res.Code, res.Stderr)
	}
}
