package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"rock/migrate"
)

// migrateAbility explains whether groups can leave this host and come to it. What checkpoints need migrations need too.
func migrateAbility(checkpoint ability) ability {
	a := ability{Works: checkpoint.Works, Needs: []feature{staging(migrate.StagingDir(os.Getenv))}}
	if !a.Works {
		a.Error = "only where checkpoints work"
		if os.Geteuid() != 0 {
			a.Error, a.Remedy = "only root can migrate", checkpoint.Remedy
		}
	}
	if n := a.Needs[0]; a.Works && !n.OK {
		a.Works, a.Error, a.Remedy = false, n.Detail, n.Remedy
	}
	a.Needs = append(a.Needs, ahead(migrate.Readable()),
		inPath("ssh", "to reach other hosts", "install an ssh client, or use --exec"),
		inPath("rockctl", "other hosts start it by this name", "install rockctl where root's PATH finds it"))
	return a
}

// staging says whether images have room on their way.
func staging(dir string) feature {
	n := feature{Name: "room", Remedy: "set TMPDIR to a directory with room for the memory of a group"}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		n.Detail = fmt.Sprintf("%s: %v", dir, err)
		return n
	}
	if n.OK = unix.Access(dir, unix.W_OK) == nil; n.OK {
		n.Remedy = ""
	}
	n.Detail = fmt.Sprintf("%s has %s for images on their way", dir, formatBytes(int(int64(st.Bavail)*st.Bsize)))
	return n
}

// ahead says how memory travels.
func ahead(err error) feature {
	n := feature{Name: "pre-copy by content", OK: err == nil,
		Detail: "most memory is copied while the group runs; this needs no tracking of it by the kernel"}
	if err != nil {
		n.Detail, n.Remedy = "all memory is copied while the group stands still: "+err.Error(), "allow process_vm_readv, and /proc/PID/pagemap"
	}
	return n
}

// inPath is a program that is good to have.
func inPath(name, detail, remedy string) feature {
	n := feature{Name: name, Detail: detail}
	if path, err := exec.LookPath(name); err == nil {
		n.OK, n.Detail = true, path+", "+detail
	} else {
		n.Remedy = remedy
	}
	return n
}
