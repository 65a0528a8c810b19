package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rock/rocks/interpose/seccomp"
)

// ability is something that rock can do on this machine, or why not.
type ability struct {
	Works  bool      `json:"works"`
	Error  string    `json:"error,omitempty"`  // why it does not work
	Remedy string    `json:"remedy,omitempty"` // what to do
	Needs  []feature `json:"needs"`            // what it builds on
}

// feature is something of the machine. What is missing may be optional: then the ability works,
// with the effect named.
type feature struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Untried bool   `json:"untried,omitempty"` // nobody knows: it could not be tried
	Detail  string `json:"detail,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// abilities is what check --json writes.
type abilities struct {
	Interpose  ability `json:"interpose"`
	Checkpoint ability `json:"checkpoint"`
	Migrate    ability `json:"migrate"`
}

func newCheck() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say what this machine can do, and what is missing",
		Long: `Tries out what this machine can do: interpose (reliable connections for
unmodified programs), checkpoint and migrate. For what is missing it says what
to do. Only root can try out checkpoints.

Exit status: 0 if programs can have reliable connections here, else 1.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a := checkAll(cmd.Context())
			write := writeAbilities
			if asJSON {
				write = func(w io.Writer, a abilities) error { return writeJSON(w, a) }
			}
			if err := write(cmd.OutOrStdout(), a); err != nil {
				return err
			}
			if !a.Interpose.Works {
				return &toldError{"interposition does not work here"}
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func checkAll(ctx context.Context) abilities {
	f, err := seccomp.Probe()
	checkpoint := checkpointAbility(tryCheckpoint(ctx))
	return abilities{
		Interpose:  interposeAbility(f, err, yamaScope()),
		Checkpoint: checkpoint,
		Migrate:    migrateAbility(checkpoint),
	}
}

// interposeAbility explains the result of a probe. yama is the value of
// kernel.yama.ptrace_scope, "" without yama.
func interposeAbility(f seccomp.Features, err error, yama string) ability {
	a := ability{Works: err == nil}
	var bad *seccomp.Error
	switch {
	case errors.As(err, &bad):
		a.Error, a.Remedy = strings.TrimSuffix(bad.Error(), ": "+bad.Remedy), bad.Remedy
	case err != nil:
		a.Error = err.Error()
	}
	newer := func(version string) string { return "Linux " + version + " or newer" }
	a.Needs = []feature{
		{Name: "kernel", OK: true, Detail: f.Kernel},
		{Name: "no other listener", OK: !errors.Is(err, seccomp.ErrNested),
			Detail: "a program that is supervised already cannot be supervised again"},
		{Name: "descriptors of threads", OK: f.ThreadPidfd, Remedy: newer("6.9"), Detail: "also of threads with a table of their own"},
		{Name: "setuid programs", OK: !f.NoNewPrivs, Detail: "sudo and its like keep their privileges under rock",
			Remedy: "only with CAP_SYS_ADMIN: sudo rock COMMAND instead of rock sudo COMMAND"},
	}
	if err == nil || errors.Is(err, seccomp.ErrNoAccess) { // else the probe did not get that far
		a.Needs = append(a.Needs,
			feature{Name: "reach into the command", OK: err == nil, Detail: "pidfd_getfd" + yamaDetail(yama)},
			feature{Name: "memory of the command", OK: f.ProcessVM, Detail: "process_vm_readv",
				Remedy: "allow process_vm_readv and process_vm_writev in the seccomp profile or LSM policy"},
			feature{Name: "calls wait killable", OK: f.WaitKillable, Remedy: newer("5.19"),
				Detail: "a call that is being answered is not broken off by signals"},
			feature{Name: "descriptor and answer in one", OK: f.AddFDSend, Remedy: newer("5.14"), Detail: "accept is atomic"},
			feature{Name: "synchronous wake-up", OK: f.SyncWakeup, Remedy: newer("6.6"), Detail: "a trapped call costs 3 µs instead of 40"})
	}
	for i := range a.Needs {
		if a.Needs[i].OK {
			a.Needs[i].Remedy = ""
		}
	}
	return a
}

func yamaDetail(scope string) string {
	if scope == "" {
		return "; no yama"
	}
	return "; kernel.yama.ptrace_scope is " + scope
}

func yamaScope() string {
	b, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return strings.TrimSpace(string(b))
}

// writeAbilities writes the result of a check for people.
func writeAbilities(w io.Writer, a abilities) error {
	var b strings.Builder
	for _, x := range []struct {
		name string
		ability
	}{{"interpose", a.Interpose}, {"checkpoint", a.Checkpoint}, {"migrate", a.Migrate}} {
		verdict := "yes"
		if !x.Works {
			verdict = "no"
			if x.Error != "" {
				verdict = x.Error
			}
		}
		fmt.Fprintf(&b, "%-11s %s\n", x.name, verdict)
		if x.Remedy != "" {
			fmt.Fprintf(&b, "%-11s to do: %s\n", "", x.Remedy)
		}
		for _, n := range x.Needs {
			mark := "✓"
			if n.Untried {
				mark = "?"
			} else if !n.OK {
				mark = "✗"
			}
			fmt.Fprintf(&b, "  %s %-29s %s\n", mark, n.Name, n.Detail)
			if n.Remedy != "" {
				fmt.Fprintf(&b, "    to do: %s\n", n.Remedy)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
