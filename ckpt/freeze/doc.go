// Package freeze is a cgroup of our own that is frozen and thawed.
//
// [New] makes one below the cgroup of this process, [Group.Around] starts a process in
// it, and from then on all that descends from that process is in it too. [Group.Freeze] stops
// them all, such that none of them sees it; [Group.Thaw] lets them go on.
//
//	g, err := freeze.New("rock-1a2b3c4d")
//	...
//	err = g.Around(cmd.SysProcAttr, cmd.Start)
//	...
//	err = g.Freeze(ctx, release)
//	...
//	err = g.Thaw(ctx)
//
// The group ends with [Group.Kill] and [Group.Remove]. Another process that has the
// [Group.Path] gets at it with [Open]; nothing is kept but in the kernel.
//
// # Versions
//
// Version 2 is taken if there is a writable cgroup2 mount, which may be one without
// controllers ("hybrid"): freezing is no controller there. Else the freezer controller of
// version 1 is. They differ in this (measured on Linux 6.18):
//
//   - Being born inside. Version 2 has clone3(CLONE_INTO_CGROUP). In version 1 the thread that
//     forks is in the cgroup while it does. Version 2 knows no such thing, since a thread
//     cannot leave the cgroup of its process.
//   - What a frozen task looks like. Version 2: as it was, mostly "S", waiting in get_signal.
//     Version 1: "D", and it may be at any place where the kernel lets tasks freeze.
//   - SIGKILL ends a frozen task in version 2. In version 1 it does when thawed.
//   - An empty version 2 cgroup is made frozen and stays so for whoever comes in, as in version 1.
//
// The same in both:
//
//   - A task stopped by a signal (SIGSTOP, Ctrl-Z) or by its tracer is frozen as it is.
//     SIGCONT, or its tracer, makes it run only after the thaw, and if there was no
//     SIGCONT it is as stopped then as it was before.
//   - The parent of a vfork(2) whose child has not executed anything yet is frozen as it is.
//   - A zombie counts as nothing: it is not in [Group.Pids] and hinders neither freezing
//     nor removal.
//   - A task in an uninterruptible wait is not frozen, and so the group is not either. Such
//     are calls held by a seccomp supervisor that has received them and asked
//     for SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; page faults and files that wait for a
//     server which does not answer (userfaultfd, FUSE, NFS). [Group.Freeze] then names it.
//   - A process that is forked while the group freezes is frozen too.
//   - Cgroups that the processes make inside of the group are frozen with it.
//     One which they froze themselves stays frozen when the group is thawed.
package freeze
