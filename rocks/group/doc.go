// Package group is a supervised group as others see it: its name and id, the
// directory that it is registered in, the control socket that it answers on, and the
// config file.
//
// [List] finds the groups of a runtime directory, [Resolve] the one that a user means by
// an id, a unique prefix of one, a name or a pid, and [Ask] puts a request to one.
//
//	dir, err := group.OpenDir(os.Getenv)
//	groups, err := dir.List(ctx)
//	g, err := group.Resolve(groups, "web")
//	rocks, err := g.AskRocks(ctx)
//
// The supervisor (package supervise) registers its group with [Dir.Register] and
// answers with a [Server]; package front is the process that the user started.
// CONTROL.md describes the control protocol, CONFIG.md the config file.
package group
