// Package stage is how the processes of rock start each other and talk.
//
// The binary rock runs in several stages. The one that the user starts is the
// front. It starts itself again as the supervisor, which starts the command; two
// more stages are rare (see [Kind]). A stage is told what it is by the environment
// variable ROCK_STAGE, so that the command lines that ps shows stay readable;
// [Current] takes the variable away, and so the command never sees it.
//
// Front and supervisor talk over a [Channel], a socket pair made by the front:
//
//	front                          supervisor
//	Plan (log, terminal)      →
//	                          ←    Progress                    any number, of a restore
//	                          ←    Ready                       of a restore that is held
//	Go                        →
//	                          ←    Started (pidfd, listener)   or   Failed
//	                          ←    Stopped, Continued          any number
//	                          ←    Exited, Checkpointed or Migrated: the front leaves
//	                          ←    Inherited                   of an heir of the supervisor
//	Waited                    →                                after that
//
// A supervisor that stops its group starts a guard, which acts if it dies meanwhile, and tells it over another
// Channel with Watch what that is to be.
//
// Each end takes the end of the stream without a last message for the death of
// the other.
package stage
