// Package rendezvous is where the two ends of a rock find each other again when both have moved: each leaves word at a server where
// it is, and reads what the other has left. As the last resort the server connects the two.
//
// Nobody has an account there. The ends of a rock share keys that nobody else knows, and derive a pair of signing keys for each of
// the two from them ([NewIdentity]). The name under which an end leaves word is the hash of its public key ([Name]), so nobody else can leave
// word under it, and who does not know the rock's keys does not know whose name it is. What was left is signed: the server cannot change
// it. RENDEZVOUS.md has the bytes.
//
//	s := rendezvous.NewServer(rendezvous.ServerConfig{Store: rendezvous.NewMemory(n)})
//	err := s.Serve(listener)
//
//	c := &rendezvous.Client{Dial: ...}
//	found, err := c.Exchange(ctx, []rendezvous.Record{mine.Record(seq, life, here)}, []rendezvous.Name{theirs.Name()})
//	conn, err := c.Join(ctx, mine, theirs.Name())
//
// What a server learns is which addresses the ends of some rock have, and how much they send through it: neither the rock's id nor
// its keys. It can refuse its service, and keep back newer word; it cannot send an end to an address that the other has not left, nor
// resume the rock, since whoever is met there has to prove himself as ever.
package rendezvous
