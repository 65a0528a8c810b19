// Package migrate moves a group to another host while its peers see only a pause: it makes sure that exactly one copy lives,
// whatever fails on the way.
//
//	source supervisor                     rockctl receive, on the target
//	Engine.Migrate        source.go       Receiver.Run                target.go
//	  offer             ──────────────►   looks whether it can live here
//	                    ◄──────────────   verdict
//	  pages             ──────────────►   keeps them                  precopy.go, store.go
//	  freezes, dumps
//	  file, chunks ...  ──────────────►   writes the image            arrival.go, recipe.go
//	  complete          ──────────────►   restores: all but running
//	                    ◄──────────────   ready
//	  commit            ──────────────►   notes it in the journal     journal.go
//	                                      lets it run
//	                    ◄──────────────   done
//	  kills its copy
//
// Until it has sent commit the source may go on, and does after any failure, as does the target not. From then on it
// waits. If done does not come, because the connection breaks at this moment, it asks the target's journal through another connection
// (Resolve, resolve.go): either the group runs there, or it never will. Should the source supervisor itself die, a guard
// goes on for it (guard.go), and when that has decided that the group lives here, the supervisor's heir with its connections (package supervise).
// PROTOCOL.md has the messages. Files that come along (luggage.go) are
// the matter of package files.
package migrate
