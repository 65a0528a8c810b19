package seccomp_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/seccomptest"
)

func openFDs(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func TestProbe(t *testing.T) {
	before := openFDs(t)
	f, err := seccomp.Probe()
	if err != nil {
		if seccomptest.Strict() {
			t.Fatalf("probe: %v", err)
		}
		t.Skipf("this machine cannot interpose: %v", err)
	}
	if f.Kernel == "" || !f.AddFDSend || f.NoNewPrivs != (os.Geteuid() != 0) {
		t.Errorf("features %+v", f)
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors are open, want %d", after, before)
	}
	checkClean(t)
	t.Logf("%+v", f)
}

func TestNested(t *testing.T) {
	p := seccomptest.Start(t, "nested")
	p.Serve(1, func(c seccomp.Call) { _ = p.Listener.Continue(c) })
	for i, got := range lines(p, 2) {
		if want := []string{"start true true", "probe true"}[i]; got != want {
			t.Errorf("program says %q, want %q", got, want)
		}
	}
	p.Succeed()
}

// Each refusal says what, why and what to do in one line.
func TestExplain(t *testing.T) {
	tests := []struct {
		err  *seccomp.Error
		kind error
		text string
	}{
		{seccomp.Explain("install", unix.EBUSY), seccomp.ErrNested, "another seccomp listener"},
		{seccomp.Explain("install", unix.EINVAL), seccomp.ErrUnsupported, "gVisor"},
		{seccomp.Explain("install", unix.ENOSYS), seccomp.ErrUnsupported, "5.19"},
		{seccomp.Explain("install", unix.EPERM), seccomp.ErrForbidden, "profile"},
		{seccomp.Explain("install", unix.EACCES), seccomp.ErrForbidden, "profile"},
		{seccomp.NoAccess("fetch", unix.EPERM), seccomp.ErrNoAccess, "CAP_SYS_PTRACE"},
		{seccomp.NoAccess("fetch", unix.ENOSYS), seccomp.ErrNoAccess, "5.6"},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.kind) || !errors.Is(tt.err, tt.err.Err) {
			t.Errorf("%v is not %v", tt.err, tt.kind)
		}
		if got := tt.err.Error(); !strings.Contains(got, tt.text) || strings.Contains(got, "\n") {
			t.Errorf("error %q, want %q in it", got, tt.text)
		}
	}
}
