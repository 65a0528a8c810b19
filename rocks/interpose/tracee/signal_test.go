package tracee

import (
	"testing"

	"golang.org/x/sys/unix"
)

func bits(signals ...unix.Signal) (set uint64) {
	for _, s := range signals {
		set |= 1 << (s - 1)
	}
	return set
}

func TestInterrupting(t *testing.T) {
	tests := []struct {
		name string
		s    status
		set  uint64
		want uint64
	}{
		{"caught", status{caught: bits(unix.SIGUSR1)}, bits(unix.SIGUSR1), bits(unix.SIGUSR1)},
		{"default, kills", status{}, bits(unix.SIGUSR1), 0},
		{"caught but blocked", status{caught: bits(unix.SIGUSR1), blocked: bits(unix.SIGUSR1)}, bits(unix.SIGUSR1), 0},
		{"caught is another", status{caught: bits(unix.SIGUSR2)}, bits(unix.SIGUSR1), 0},
		{"stops", status{}, bits(unix.SIGTSTP), bits(unix.SIGTSTP)},
		{"stops always", status{}, bits(unix.SIGSTOP), bits(unix.SIGSTOP)},
		{"stop ignored", status{ignored: bits(unix.SIGTSTP)}, bits(unix.SIGTSTP), 0},
		{"stop blocked", status{blocked: bits(unix.SIGTTIN)}, bits(unix.SIGTTIN), 0},
		{"real time", status{caught: 1 << 63}, 1 << 63, 1 << 63},
	}
	for _, tt := range tests {
		if got := tt.s.interrupting(tt.set); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	const main = 100
	usr1, usr2 := bits(unix.SIGUSR1), bits(unix.SIGUSR2)
	tests := []struct {
		name   string
		shared uint64
		others map[int]status
		want   Due
	}{
		{"nothing", 0, map[int]status{main: {state: 'S'}}, DueNone},
		{"the main thread takes it", usr1, map[int]status{main: {state: 'S'}}, DueNone},
		{"the main thread takes it, though held", usr1, map[int]status{main: {state: 'D'}}, DueNone},
		{"the main thread blocks it", usr1, map[int]status{main: {state: 'S', blocked: usr1}}, DueSure},
		{"the main thread takes one of two", usr1 | usr2, map[int]status{main: {state: 'S', blocked: usr1}}, DueSure},
		{"the main thread has exited", usr1, map[int]status{main: {state: 'Z'}}, DueSure},
		{"others sleep in an ordinary way", usr1,
			map[int]status{main: {state: 'S', blocked: usr1}, 101: {state: 'S'}, 102: {state: 'R'}}, DueSure},
		{"another is held", usr1, map[int]status{main: {state: 'S', blocked: usr1}, 101: {state: 'D'}}, DueMaybe},
		{"another is held but blocks it", usr1,
			map[int]status{main: {state: 'S', blocked: usr1}, 101: {state: 'D', blocked: usr1}}, DueSure},
		{"the others are stopped", 0, map[int]status{main: {state: 'T'}, 101: {state: 'D'}}, DueSure},
		{"the others are traced", 0, map[int]status{main: {state: 't'}}, DueNone},
		{"the process just died", 0, nil, DueNone},
	}
	for _, tt := range tests {
		if got := judge(main, tt.shared, tt.others); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
