package ckpt

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"rock/ckpt/image"
	"rock/ckpt/survey"
)

// thisHost describes this host.
func thisHost() image.Host {
	var u unix.Utsname
	_ = unix.Uname(&u)
	h := image.Host{
		Machine: line("/etc/machine-id"), Boot: line("/proc/sys/kernel/random/boot_id"),
		Kernel: unix.ByteSliceToString(u.Release[:]), Arch: unix.ByteSliceToString(u.Machine[:]), PageSize: os.Getpagesize(),
	}
	h.Name, _ = os.Hostname()
	info, _ := os.ReadFile("/proc/cpuinfo")
	h.CPU, h.Features = parseCPU(string(info))
	return h
}

// parseCPU finds the model of the first processor in /proc/cpuinfo, and the instructions that all processors have.
func parseCPU(info string) (model string, features []string) {
	var first string
	for l := range strings.Lines(info) {
		name, value, _ := strings.Cut(l, ":")
		switch name = strings.TrimSpace(name); name {
		case "model name":
			if model == "" {
				model = strings.TrimSpace(value)
			}
		case "flags", "Features": // x86, ARM
			if value == first {
				continue // as nearly always
			}
			has := parseFlags(name, value)
			if first == "" {
				first, features = value, has
			}
			features = slices.DeleteFunc(features, func(f string) bool { return !slices.Contains(has, f) })
		}
	}
	return model, features
}

// parseFlags returns those that stand for instructions, in order.
func parseFlags(name, value string) []string {
	var has []string
	for _, f := range strings.Fields(value) {
		if name == "flags" && instruction(f) || name == "Features" && !slices.Contains(noInstructions, f) {
			has = append(has, f)
		}
	}
	slices.Sort(has)
	return slices.Compact(has)
}

// instructions are the flags of x86 processors that stand for instructions which a program may use without asking the
// kernel, and which are illegal where the flag is missing. All others are left out: those for the kernel and hypervisors, those
// that tell of speed (erms, fsrm, rep_good), of mere hints (3dnowprefetch) or of faults, and those that the kernel makes up.
var instructions = strings.Fields(`3dnow 3dnowext abm adx aes bmi1 bmi2 clflush clflushopt clwb clzero cmov
	cmpccxadd cx16 cx8 enqcmd f16c fma fma4 fpu fsgsbase fxsr gfni lahf_lm lm lwp mmx mmxext
	movbe movdir64b movdiri mwaitx ospke pclmulqdq pni popcnt ptwrite rdpid rdpru rdrand rdseed
	rdtscp rtm serialize sha512 sha_ni sm3 sm4 syscall tbm tsc user_shstk vaes vpclmulqdq waitpkg xgetbv1 xop
	xsave xsavec xsaveopt`)

// families are those with new members in every generation.
var families = []string{"amx_", "apx", "avx", "sse", "ssse"}

func instruction(flag string) bool {
	return slices.Contains(instructions, flag) || slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(flag, f) })
}

// noInstructions are the few features of ARM processors that programs do not depend on. The kernel lists the others for programs.
var noInstructions = []string{"cpuid", "evtstrm"}

// usualNames are those of flags that are called something else everywhere but in the kernel.
var usualNames = map[string]string{"abm": "lzcnt", "pni": "sse3", "sha_ni": "sha"}

// checkHost says why the processes of one host cannot run on another.
func checkHost(from, here image.Host) []survey.Problem {
	if from.Arch != here.Arch {
		return []survey.Problem{{What: fmt.Sprintf("the image was made on %s, and this is %s", from.Arch, here.Arch),
			Remedy: "restore it on a host of that kind"}}
	}
	if from.PageSize != 0 && from.PageSize != here.PageSize {
		return []survey.Problem{{What: fmt.Sprintf("the image was made with pages of %d bytes, and this kernel has pages of %d", from.PageSize, here.PageSize),
			Remedy: "restore it on a host with such a kernel"}}
	}
	var lacks, glibc, golang []string
	for _, f := range from.Features {
		if slices.Contains(here.Features, f) {
			continue
		}
		lacks = append(lacks, f)
		name := cmp.Or(usualNames[f], f)
		glibc, golang = append(glibc, "-"+strings.ToUpper(name)), append(golang, "cpu."+strings.ReplaceAll(name, "_", "")+"=off")
	}
	if len(lacks) == 0 {
		return nil
	}
	return []survey.Problem{{
		What: fmt.Sprintf("this CPU (%s) lacks instructions that the group may use, which it has found on %s: %s",
			cmp.Or(here.CPU, unknownCPU), cmp.Or(from.CPU, unknownCPU), strings.Join(lacks, " ")),
		Remedy: fmt.Sprintf("move it to a host that has them; or start the program on the older CPU, or with GLIBC_TUNABLES=glibc.cpu.hwcaps=%s, or if it is written in Go GODEBUG=%s",
			strings.Join(glibc, ","), strings.Join(golang, ",")),
	}}
}

const unknownCPU = "of an unknown model"
