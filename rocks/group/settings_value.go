package group

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"rock/rocks/detect"
	"rock/rocks/rendezvous"
)

// Bounds of the settings. The lower ones keep a typing error from ending rocks
// that were healthy, the upper ones from keeping dead ones for ever.
const (
	minHeartbeat, maxHeartbeat = 100 * time.Millisecond, time.Minute
	minMisses, maxMisses       = 1, 100
	minTimeout, maxTimeout     = time.Second, 8760 * time.Hour
	minHold, maxHold           = 500 * time.Millisecond, 30 * time.Second
	minBackoff, maxBackoff     = 100 * time.Millisecond, time.Minute
	minBuffer, maxBuffer       = 64 << 10, 1 << 30
)

func durationSetting(key string, p *time.Duration, lo, hi time.Duration) setting {
	want := fmt.Sprintf("a duration from %s to %s, such as %q", brief(lo), brief(hi), brief(*p))
	return setting{key, want, func(value any) bool {
		s, _ := value.(string)
		d, err := time.ParseDuration(s)
		return err == nil && inRange(p, d, lo, hi)
	}}
}

func countSetting(key string, p *int, lo, hi int) setting {
	want := fmt.Sprintf("a number from %d to %d", lo, hi)
	return setting{key, want, func(value any) bool {
		n, ok := value.(int64)
		return ok && n <= int64(hi) && inRange(p, int(n), lo, hi)
	}}
}

func sizeSetting(key string, p *int, lo, hi int) setting {
	want := fmt.Sprintf("a size from %s to %s, such as %q", formatSize(lo), formatSize(hi), formatSize(*p))
	return setting{key, want, func(value any) bool {
		s, _ := value.(string)
		n, ok := parseSize(s)
		return ok && inRange(p, n, lo, hi)
	}}
}

func serversSetting(key string, p *[]string) setting {
	want := fmt.Sprintf("a host, with a port or without, or several with commas, such as \"meet.example.net\", or %q", noRendezvous)
	return setting{key, want, func(value any) bool {
		s, _ := value.(string)
		if s == noRendezvous {
			*p = nil
			return true
		}
		addresses, err := rendezvous.Addresses(s)
		*p = addresses
		return err == nil
	}}
}

// inRange stores a value if it lies between two bounds, both included.
func inRange[T int | time.Duration](p *T, v, lo, hi T) bool {
	if v < lo || v > hi {
		return false
	}
	*p = v
	return true
}

// sizeUnits are the units of sizes, largest first.
func sizeUnits() []struct {
	name  string
	bytes int
} {
	return []struct {
		name  string
		bytes int
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// parseSize reads a whole number of units, such as "16MiB" or "16 MiB". It refuses
// what is above maxBuffer, so that nothing overflows.
func parseSize(s string) (int, bool) {
	for _, unit := range sizeUnits() {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 32)
		if err != nil || n > uint64(maxBuffer/unit.bytes) {
			return 0, false
		}
		return int(n) * unit.bytes, true
	}
	return 0, false
}

// formatSize writes a size in the largest unit that divides it.
func formatSize(n int) string {
	for _, unit := range sizeUnits() {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return "0B"
}

// brief writes a duration without the units that are zero: "72h", not "72h0m0s".
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func hostValue(value any) (detect.Host, error) {
	s, ok := value.(string)
	if !ok {
		return detect.Host{}, fmt.Errorf("host %s: want a name or an address in quotes", written(value))
	}
	return detect.ParseHost(s)
}

func portsValue(value any) (detect.Ports, error) {
	switch v := value.(type) {
	case int64:
		return detect.ParsePorts(strconv.FormatInt(v, 10))
	case string:
		return detect.ParsePorts(v)
	}
	return detect.Ports{}, fmt.Errorf("port %s: want a number or a range such as 8000-8100", written(value))
}

func actionValue(value any) (detect.Action, error) {
	s, ok := value.(string)
	if !ok {
		return detect.Detect, fmt.Errorf(`action %s: want "force", "forbid" or "detect"`, written(value))
	}
	return detect.ParseAction(s)
}

// written shows a value much as the file has it, a collection by its kind.
func written(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		return "[...]"
	case map[string]any:
		return "{...}"
	}
	return fmt.Sprint(value)
}
