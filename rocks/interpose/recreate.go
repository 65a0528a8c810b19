package interpose

import "rock/rocks/interpose/seccomp"

// everybody as the outsider: no call is ours to answer.
const everybody = -1

// Recreate starts an Interposer for a group that start brings back to life: start runs on a thread under the
// filter, and so does every process that it starts and that these start. Until [Interposer.Adopt] all of
// their calls are left to the kernel, since they are those of the program that restores the group (CRIU).
// start returns the pid of that program, whose calls never are the group's.
//
// The Interposer serves calls when Recreate returns, not before, so start must not wait for the
// program that it has started.
func Recreate(cfg Config, st *State, start func() (pid int, err error)) (*Interposer, error) {
	ip := newInterposer(cfg)
	ip.home.v4 = st.Home
	ns, err := ownNetns()
	if err != nil {
		return nil, err
	}
	ip.netns, ip.diag = ns, diagWorks()
	ip.outsider.Store(everybody)
	calls, err := seccomp.Under(func(*seccomp.Listener) error {
		pid, err := start()
		ip.restorer = pid
		return err
	})
	if err != nil {
		return nil, err
	}
	ip.startServing(calls)
	return ip, nil
}
