package criu

import "context"

// Feature is something that the kernel or this CRIU may lack.
type Feature struct {
	Name string // CRIU's name of it
	OK   bool
	For  string // what needs it
}

// Features asks CRIU for what not all machines have. Nothing of it is needed for
// a plain checkpoint; see [Tool.Usable] for that. It runs CRIU once for each, for
// about 50 ms, and needs root: else, and when ctx is done, nothing is OK.
func (t Tool) Features(ctx context.Context) []Feature {
	features := []Feature{
		{Name: "mem_dirty_track", For: "copying memory while the group runs, before the checkpoint"},
		{Name: "uffd-noncoop", For: "bringing memory after the restore, when it is needed"},
		{Name: "clone3_set_tid", For: "restoring the same pids without a race"},
		{Name: "timens", For: "clocks that go on from where they were"},
		{Name: "pidfd_store", For: "telling a reused pid between rounds of copying"},
		{Name: "network_lock_nftables", For: "keeping open ordinary connections without iptables"},
	}
	for i, f := range features {
		features[i].OK = t.command(ctx, "check", "--feature", f.Name).Run() == nil
	}
	return features
}
