package interpose

import (
	"golang.org/x/sys/unix"

	"rock/rocks/interpose/seccomp"
	"rock/rocks/interpose/tracee"
)

// unnoted returns the calls that were received and not noted. Nobody has received calls from the listener since, so
// what is valid was received by the dead supervisor. Nothing more is known of them: they are left to the kernel.
func (h *heir) unnoted(last uint64, noted []seccomp.Call) []seccomp.Call {
	known := map[uint64]bool{}
	for _, c := range noted {
		known[c.ID] = true
	}
	var calls []seccomp.Call
	for id := last - seccomp.MostUnnoted; id != last+seccomp.MostUnnoted; id++ {
		if c := (seccomp.Call{ID: id}); !known[id] && h.calls.Valid(c) {
			calls = append(calls, c)
		}
	}
	return calls
}

// again answers a call that was received and maybe begun to be answered by a supervisor that has died.
func (ip *Interposer) again(c seccomp.Call) {
	if c.Nr != unix.SYS_CONNECT || !ip.connectAgain(c) {
		ip.answer(c)
	}
}

// connectAgain answers a connect that has come as far as a leg or a hold, and takes back what else was begun.
func (ip *Interposer) connectAgain(c seccomp.Call) (answered bool) {
	dup, err := tracee.GetFD(c.TID, int(int32(c.Args[0])))
	if err != nil {
		return false
	}
	defer unix.Close(dup)
	ck, err := cookie(dup)
	if err != nil {
		return false
	}
	s := ip.sockets.get(ck)
	if s == nil {
		_, tcp := tcpFamily(dup)
		if state, err := tcpState(dup); tcp && err == nil && state != tcpClosed && state != tcpListening {
			_ = disconnect(dup)
		}
		return false
	}
	switch phase, _, _ := s.look(); {
	case phase == phaseConnected:
		ip.succeed(c, 0)
		return true
	case phase == phaseConnecting && nonblocking(dup):
		ip.fail(c, unix.EINPROGRESS)
		return true
	}
	return false
}
