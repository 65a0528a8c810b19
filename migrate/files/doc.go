// Package files takes the files of a group along when it migrates, to the same paths on the other host.
//
// The source sends what is in them while the group runs, and again what has changed when it stands still ([Sender]), as rsync
// does in two runs: what arrives is what the group had written when it was frozen, so the positions of its descriptors
// are right.
//
// The target ([Receiver]) writes each under a hidden name near its place. When all is there, each goes to its place by a rename, and what was
// there gets a hidden name too. If the group does not come to life after all, [Undo] puts everything back; if it does, [Settle] removes what
// was there. Both go by a list of what has been done ([ledger]), which is written before it is done: they work as well after the death of
// the process that did it.
//
// No symbolic link on the target is ever followed: what belongs to one path does not end up behind another.
package files
