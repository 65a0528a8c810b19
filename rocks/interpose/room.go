package interpose

import "golang.org/x/sys/unix"

// spare is the part of the descriptors that this process may have which is not for rocks, of which each takes two: the leg and the
// link. When the others are in use new connections are made ordinary, which needs descriptors only until the program has its own.
const spare = 8

// full says whether there is no room for another rock, given a descriptor that was just opened: the kernel gives the lowest
// that is free, so its number is about how many there are (open(2)).
func (ip *Interposer) full(fd int) bool {
	most := ip.most.Load()
	if most == 0 {
		most = descriptorLimit()
	}
	return uint64(fd) >= most-most/spare
}

// descriptorLimit is how many descriptors this process may have (getrlimit(2)).
func descriptorLimit() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // as everybody may have
	}
	return r.Cur
}
