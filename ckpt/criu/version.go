package criu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/checkpoint-restore/go-criu/v7/rpc"
	"golang.org/x/sys/unix"
)

// Version is a version of CRIU.
type Version struct{ Major, Minor, Sublevel int }

func (v Version) String() string {
	if v.Sublevel == 0 {
		return fmt.Sprintf("%d.%d", v.Major, v.Minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Sublevel)
}

// Less says that v is older than w.
func (v Version) Less(w Version) bool {
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor < w.Minor
	}
	return v.Sublevel < w.Sublevel
}

// Version asks CRIU for its version. It needs no privileges.
func (t Tool) Version(ctx context.Context) (Version, error) {
	early, err := earlyLog()
	if err != nil {
		return Version{}, err
	}
	defer early.Close()
	s, err := open(ctx, t.Path, nil, startPlain(early))
	if err != nil {
		return Version{}, fmt.Errorf("ask CRIU for its version: %w", err)
	}
	resp, _, err := s.do(&rpc.CriuReq{Type: rpc.CriuReqType_VERSION.Enum()}, nil)
	if err != nil {
		if context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		return Version{}, fmt.Errorf("ask %s for its version: %w", t.Path, err)
	}
	v := resp.GetVersion()
	if !resp.GetSuccess() || v == nil {
		return Version{}, fmt.Errorf("ask %s for its version: it does not tell", t.Path)
	}
	return Version{int(v.GetMajorNumber()), int(v.GetMinorNumber()), int(v.GetSublevel())}, nil
}

// gates are the kernels that made older versions of CRIU fail.
var gates = []struct {
	major, minor int // of the kernel, from this on
	needs        Version
	because      string
}{
	{6, 16, Version{4, 2, 0}, "older ones ask for SO_PASSCRED of TCP sockets, which fails there"},
	{6, 13, Version{4, 1, 0}, "older ones do not find the vDSO there"},
	{0, 0, Version{4, 1, 0}, "older ones are not tested with rock"},
}

// fits returns why a version of CRIU does not work on a kernel.
func fits(v Version, release string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 {
		return nil // CRIU's own check may know
	}
	for _, g := range gates {
		if major < g.major || major == g.major && minor < g.minor {
			continue
		}
		if v.Less(g.needs) {
			return fmt.Errorf("CRIU %v is too old for kernel %s, which needs %v (%s): run scripts/setup, or set ROCK_CRIU to a newer criu",
				v, release, g.needs, g.because)
		}
		return nil
	}
	return nil
}

// Usable returns why this CRIU cannot work on this machine, nil if it can. It
// looks at the versions and then runs "criu check", which takes about 50 ms and
// must not be done under a seccomp filter. Only root gets an answer.
func (t Tool) Usable(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("check CRIU: only root can checkpoint: run this as root")
	}
	v, err := t.Version(ctx)
	if err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("check CRIU: uname: %w", err)
	}
	if err := fits(v, unix.ByteSliceToString(u.Release[:])); err != nil {
		return fmt.Errorf("check %s: %w", t.Path, err)
	}
	out, err := t.command(ctx, "check").CombinedOutput()
	if err == nil {
		return nil
	}
	if context.Cause(ctx) != nil {
		return fmt.Errorf("check %s: %w", t.Path, context.Cause(ctx))
	}
	found := explain(strings.NewReader(string(out)))
	if found.cause == "" {
		return fmt.Errorf("check %s: %w: run %s check", t.Path, err, t.Path)
	}
	if found.remedy == "" {
		found.remedy = "run scripts/setup, or set ROCK_CRIU to another criu"
	}
	return fmt.Errorf("check %s: %s: %s", t.Path, found.cause, found.remedy)
}

// command is CRIU with these arguments, without configuration from elsewhere.
func (t Tool) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Path, append([]string{"--no-default-config"}, args...)...)
	cmd.Env = Environ(os.Environ())
	return cmd
}
