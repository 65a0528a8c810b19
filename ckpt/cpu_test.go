package ckpt

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rock/ckpt/image"
)

func TestParseCPU(t *testing.T) {
	for _, tt := range []struct {
		name, info, model string
		features          []string
	}{
		{"x86", "processor\t: 0\nmodel name\t: Model 1\nflags\t\t: fpu de sse sse2 constant_tsc pni ssse3 sse4_1 erms avx avx512f hypervisor arch_perfmon   vmmcall bmi1\nbugs\t\t: spectre_v1\n",
			"Model 1", []string{"avx", "avx512f", "bmi1", "fpu", "pni", "sse", "sse2", "sse4_1", "ssse3"}},
		{"x86, not all alike", "flags\t: sse avx avx512f\nmodel name\t: a\n\nmodel name\t: b\nflags\t: sse avx\n\nflags\t: sse avx avx512f\n", "a", []string{"avx", "sse"}},
		{"ARM", "processor\t: 0\nFeatures\t: fp asimd evtstrm aes crc32 atomics cpuid sve sve2\nCPU part\t: 0xd40\n",
			"", []string{"aes", "asimd", "atomics", "crc32", "fp", "sve", "sve2"}},
		{"none", "", "", nil},
	} {
		model, features := parseCPU(tt.info)
		if model != tt.model || !slices.Equal(features, tt.features) {
			t.Errorf("%s: got %q, %q, want %q, %q", tt.name, model, features, tt.model, tt.features)
		}
	}
}

func TestCheckHost(t *testing.T) {
	here := image.Host{Arch: "x86_64", CPU: "Old", PageSize: 4096, Features: []string{"sse", "sse2"}}
	with := func(change func(*image.Host)) image.Host {
		h := here
		h.CPU = "New"
		change(&h)
		return h
	}
	for _, tt := range []struct {
		name string
		from image.Host
		want string // "" if it can run
	}{
		{"the same", with(func(*image.Host) {}), ""},
		{"an older one", with(func(h *image.Host) { h.Features = []string{"sse"} }), ""},
		{"an image that does not say", image.Host{Arch: "x86_64"}, ""},
		{"a newer one", with(func(h *image.Host) { h.Features = []string{"avx2", "pni", "sse", "sse2", "sse4_1"} }),
			"this CPU (Old) lacks instructions that the group may use, which it has found on New: avx2 pni sse4_1: " +
				"move it to a host that has them; or start the program on the older CPU, or with GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-SSE3,-SSE4_1, " +
				"or if it is written in Go GODEBUG=cpu.avx2=off,cpu.sse3=off,cpu.sse41=off"},
		{"of another kind", with(func(h *image.Host) { h.Arch = "aarch64" }), "the image was made on aarch64, and this is x86_64: restore"},
		{"other pages", with(func(h *image.Host) { h.PageSize = 65536 }), "the image was made with pages of 65536 bytes, and this kernel has pages of 4096: restore"},
	} {
		problems := checkHost(tt.from, here)
		switch {
		case tt.want == "" && len(problems) > 0:
			t.Errorf("%s: got %v", tt.name, problems)
		case tt.want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.want)):
			t.Errorf("%s: got %v, want %s", tt.name, problems, tt.want)
		}
	}
	if problems := checkHost(thisHost(), thisHost()); len(problems) > 0 {
		t.Errorf("this host: got %v", problems)
	}
	if h := thisHost(); h.PageSize == 0 || !reflect.DeepEqual(h, thisHost()) {
		t.Errorf("this host is %+v", h)
	}
}
