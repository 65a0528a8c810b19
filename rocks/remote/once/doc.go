// Package once is the rockd that rock -d starts on a host by ssh: it listens for the one connection of its client, a rock, and
// carries it to the sshd of its host. It ends with that connection.
//
//	err := once.Serve(ctx, once.Options{In: os.Stdin, Out: os.Stdout, ...})
//
// What it says to the client is in package talk. Whoever else connects is refused: a connection needs the secret that
// came over ssh, and the secret is good for one.
//
// The client's own ssh logs in through that connection. So that nobody has to type a password twice, a key may be let in for a
// minute, from this host only: a line of authorized_keys, which is removed after that minute, or when rockd ends; should rockd
// be killed, the line has expired (sshd(8), expiry-time), and the next rockd removes it.
package once
