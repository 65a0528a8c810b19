package criu

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// envScript makes the test binary a CRIU that plays the conversation named in it.
const envScript = "ROCK_TEST_CRIU"

func TestMain(m *testing.M) {
	if name := os.Getenv(envScript); name != "" {
		if err := play(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if name := os.Getenv(envProgram); name != "" {
		os.Exit(runProgram(name))
	}
	os.Exit(m.Run())
}

// fake returns a CRIU that plays a conversation.
func fake(t *testing.T, script string) Tool {
	t.Helper()
	t.Setenv(envScript, script)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else a second for each, under -race
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Tool{Path: self}
}

// peer is the fake's end of the socket.
type peer struct {
	opts *rpc.CriuOpts
	kind rpc.CriuReqType
}

func (peer) receive() (*rpc.CriuReq, error) {
	b := make([]byte, 1<<20)
	n, err := unix.Read(3, b)
	if err != nil {
		return nil, err
	}
	req := new(rpc.CriuReq)
	return req, proto.Unmarshal(b[:n], req)
}

func (peer) send(resp *rpc.CriuResp, fds ...int) error {
	b, err := proto.Marshal(resp)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(3, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*len(b)+4096); err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(3, b, oob, nil, 0)
}

// notify says whether the hook agreed.
func (p peer) notify(script string, pid int, fds ...int) (bool, error) {
	n := &rpc.CriuNotify{Script: proto.String(script)}
	if pid > 0 {
		n.Pid = proto.Int32(int32(pid))
	}
	err := p.send(&rpc.CriuResp{Type: rpc.CriuReqType_NOTIFY.Enum(), Success: proto.Bool(true), Notify: n}, fds...)
	if err != nil {
		return false, err
	}
	req, err := p.receive()
	if err != nil {
		return false, err
	}
	if req.GetType() != rpc.CriuReqType_NOTIFY {
		return false, fmt.Errorf("answer to %s is a %v", script, req.GetType())
	}
	return req.GetNotifySuccess(), nil
}

func (p peer) done(success bool, errmsg string) error {
	resp := &rpc.CriuResp{Type: p.kind.Enum(), Success: proto.Bool(success)}
	if errmsg != "" {
		resp.CrErrmsg = proto.String(errmsg)
	}
	switch p.kind {
	case rpc.CriuReqType_DUMP:
		resp.Dump = &rpc.CriuDumpResp{Restored: proto.Bool(false)}
	case rpc.CriuReqType_RESTORE:
		resp.Restore = &rpc.CriuRestoreResp{Pid: proto.Int32(4321)}
	}
	return p.send(resp)
}

// log writes CRIU's log where the options say that it is to be.
func (p peer) log(lines ...string) error {
	fd := p.opts.GetImagesDirFd()
	if p.opts.WorkDirFd != nil {
		fd = p.opts.GetWorkDirFd()
	}
	path := fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getppid(), fd, p.opts.GetLogFile())
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// play is the main function of the fake.
func play(script string) error {
	if got := strings.Join(os.Args[1:], " "); got != "--no-default-config swrk 3" {
		return fmt.Errorf("arguments are %q", got)
	}
	if _, ok := os.LookupEnv("CRIU_CONFIG_FILE"); ok {
		return fmt.Errorf("CRIU_CONFIG_FILE is in the environment")
	}
	if script == "deaf" {
		return nil
	}
	var p peer
	req, err := p.receive()
	if err != nil {
		return err
	}
	p.opts, p.kind = req.GetOpts(), req.GetType()
	part, ok := parts[script]
	if !ok {
		return fmt.Errorf("no script %q", script)
	}
	return part(p)
}

// parts are the conversations, from after the request on.
var parts = map[string]func(peer) error{
	"success": func(p peer) error {
		for _, s := range []string{PreDump, PostDump} {
			if ok, err := p.notify(s, 0); err != nil || !ok {
				return fmt.Errorf("%s: %v, %v", s, ok, err)
			}
		}
		return p.done(true, "")
	},
	// The answer says by its pid which descriptors have come.
	"inherit": func(p peer) error {
		if len(p.opts.GetInheritFd()) != 2 || !p.opts.GetRstSibling() {
			return fmt.Errorf("options: %v", p.opts)
		}
		var lines []string
		for _, i := range p.opts.GetInheritFd() {
			name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", i.GetFd()))
			if err != nil {
				return err
			}
			lines = append(lines, i.GetKey()+"="+name)
		}
		if err := p.log(lines...); err != nil {
			return err
		}
		if _, err := p.notify(PreRestore, 0); err != nil {
			return err
		}
		if _, err := p.notify(PostRestore, 4321); err != nil {
			return err
		}
		return p.done(true, "")
	},
	"options": func(p peer) error {
		return p.log(fmt.Sprintf("(00.000001) Error (x.c:1): %v %v %v %v", p.opts.GetLogLevel(),
			p.opts.GetLogFile(), p.opts.GetNotifyScripts(), p.opts.RstSibling != nil))
	},
	"refused": func(p peer) error {
		ok, err := p.notify(PostDump, 0)
		if err != nil {
			return err
		}
		if err := p.log("(00.1) Error (criu/cr-service.c:1): RPC client reported script error"); err != nil {
			return err
		}
		return p.done(ok, "")
	},
	"logged": func(p peer) error {
		err := p.log("(00.000010) Error (criu/rlimit.c:19): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
			"(00.000200) Error (criu/files.c:1): Some file locks are hold by dumping tasks! You can try --file-locks to dump them.",
			"(00.000300) Error (criu/cr-dump.c:2): Dumping FAILED.")
		if err != nil {
			return err
		}
		return p.done(false, "rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted")
	},
	"silent": func(p peer) error { return p.done(false, "out of luck") },
	"early": func(p peer) error {
		fmt.Fprintln(os.Stderr, "Error (criu/vdso.c:1): vdso: Unexpected rt vDSO area bounds")
		os.Exit(1)
		return nil
	},
	"giant": func(p peer) error {
		return p.done(false, strings.Repeat("x", 100_000))
	},
	"garbage": func(p peer) error {
		if _, err := unix.Write(3, []byte{0xff, 0xff, 0xff}); err != nil {
			return err
		}
		select {}
	},
	"eof": func(p peer) error { return nil },
	"killed": func(p peer) error {
		return unix.Kill(os.Getpid(), unix.SIGKILL)
	},
	// A child that keeps the socket open must not hide that CRIU is gone.
	"orphan": func(p peer) error {
		sleep, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"},
			&os.ProcAttr{Files: []*os.File{nil, nil, nil, os.NewFile(3, "rpc")}})
		if err != nil {
			return err
		}
		if _, err := p.notify(PostRestore, sleep.Pid); err != nil {
			return err
		}
		return unix.Kill(os.Getpid(), unix.SIGKILL)
	},
	"waiting": func(p peer) error {
		if _, err := p.notify(PreDump, 0); err != nil {
			return err
		}
		select {}
	},
	"terminal": func(p peer) error {
		fds := make([]int, 2)
		if err := unix.Pipe(fds); err != nil {
			return err
		}
		if _, err := p.notify(OrphanPTSMaster, 0, fds[1]); err != nil {
			return err
		}
		unix.Close(fds[1])
		b := make([]byte, 16)
		n, err := unix.Read(fds[0], b)
		if err != nil || string(b[:n]) != "hello" {
			return fmt.Errorf("read %q, %v", b[:n], err)
		}
		return p.done(true, "")
	},
	"version": func(p peer) error {
		return p.send(&rpc.CriuResp{Type: p.kind.Enum(), Success: proto.Bool(true), Version: &rpc.CriuVersion{
			MajorNumber: proto.Int32(4), MinorNumber: proto.Int32(2), Sublevel: proto.Int32(1),
		}})
	},
}
