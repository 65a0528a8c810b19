package freeze

import (
	"slices"
	"testing"
)

func TestUnfrozen(t *testing.T) {
	task := func(tid int, state, wait string) Task { return Task{PID: 1, TID: tid, State: state, Wait: wait} }
	held := func(tid int) Task { return task(tid, "D", "seccomp_do_user_notification") }
	v1 := []Task{
		held(1), task(2, "D", "__refrigerator"), task(3, "D", "ep_poll"), task(4, "D", "kernel_clone"),
		task(5, "R", ""), task(6, "S", "ep_poll"),
	}
	v1After := []Task{
		held(1), task(2, "R", ""), task(3, "S", "ep_poll"), task(4, "D", "kernel_clone"), task(5, "R", ""),
	}
	v2 := []Task{held(1), task(2, "S", "get_signal"), task(3, "T", "do_signal_stop"), task(4, "D", "kernel_clone"), task(5, "R", "")}
	v2After := []Task{task(1, "R", ""), task(2, "D", "io_schedule")}
	tests := []struct {
		name          string
		version       int
		before, after []Task
		want          []int
	}{
		{"version 1", 1, v1, v1After, []int{1, 5, 6}},
		{"version 2", 2, v2, v2After, []int{1, 5}},
		{"only a vfork", 1, v1[1:4], v1After, []int{4}},
		{"all ended", 1, v1[:3], nil, nil},
		{"all frozen", 2, v2[1:3], v2After, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for _, task := range unfrozen(tt.version, tt.before, tt.after) {
				got = append(got, task.TID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
