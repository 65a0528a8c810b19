// Package remote protects a connection to a host that has nothing but an ordinary sshd: it has ssh start rockd there, and the
// user's own ssh or scp connect through it, over a rock.
//
//	c, err := remote.Parse([]string{"ssh", "-p", "2222", "host"})
//	s, err := remote.Open(ctx, c, remote.Options{...})   // may ask for a password, as ssh does
//	run s.Command()                                      // under rock, as any program
//	s.Close()
//
// # How it works
//
//	      first ssh: starts rockd, is told its port and gives it a secret
//	  ┌───────────────────────────────────────────────────────────────┐
//	rock -d                                                         sshd ── rockd
//	  │ directions                                                    ▲        ▲
//	  ▼ (a Unix socket)                                               │        │
//	ssh -o ProxyCommand='rock --pass SOCKET' ── a rock to rockd's port ────────┘
//
// The user's ssh gets its connection from a proxy command, so it neither connects nor jumps itself, and knows the host by the same
// name as ever: host keys, options and configuration count as they do without rock. The proxy command runs under rock like
// all the rest, connects to rockd, which is a rock then as to any peer with rocks, and passes the socket on.
//
// First ssh is tried without questions (BatchMode). If it needs answers it is started again and asks for them, on the terminal. Then rockd
// is given the public half of a key made for this occasion, to be let in for a minute and from its own host only: so
// the user's ssh does not ask again.
//
// If rockd's port cannot be reached, a link comes through ssh: the proxy command is sent to a port of this process, the carrier, which starts
// "ssh HOST rockd attach" for each link. Such a link is renewed in the same way.
package remote
