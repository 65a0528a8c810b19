package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// conditions are those under which something was measured.
type conditions struct {
	When   time.Time `json:"when"`
	Kernel string    `json:"kernel"`
	CPUs   int       `json:"cpus"`
	CRIU   string    `json:"criu"`
	Load   [2]string `json:"load"` // averages before and after: how much else there was
	Rounds int       `json:"rounds"`
}

func newConditions(criu string, rounds int) conditions {
	c := conditions{When: time.Now(), CPUs: runtime.NumCPU(), Rounds: rounds}
	var u unix.Utsname
	_ = unix.Uname(&u) // fails only for a bad address
	c.Kernel = unix.ByteSliceToString(u.Release[:])
	version, _ := exec.Command(criu, "--version").Output()
	c.CRIU, _, _ = strings.Cut(strings.TrimPrefix(string(version), "Version: "), "\n")
	c.Load[0] = load()
	return c
}

// load is the load averages of the machine.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// writeJSON writes what was measured into a file of dir, which it makes.
func writeJSON(dir, name string, measured any) error {
	b, err := json.MarshalIndent(measured, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o644)
	}
	return err
}

// spread sums up the times of all rounds: the quartiles and the extremes.
type spread struct {
	Min    float64 `json:"min"`
	Q1     float64 `json:"q1"`
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
	Max    float64 `json:"max"`
}

func newSpread(all []float64) spread {
	all = slices.Sorted(slices.Values(all))
	at := func(part float64) float64 {
		place := part * float64(len(all)-1)
		i := int(place)
		if i+1 == len(all) {
			return all[i]
		}
		return all[i] + (place-float64(i))*(all[i+1]-all[i])
	}
	return spread{all[0], at(.25), at(.5), at(.75), all[len(all)-1]}
}
