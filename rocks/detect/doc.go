// Package detect finds out who speaks rocks, silently and without harm to
// peers that do not.
//
// A client gives the SYN of its first connection a weak mark (an unusual but
// ordinary looking MSS, see WeakMSS) and follows it with a probe (Probe), a
// connection that carries a strong mark (ProbeMSS) and half-closes at once
// without a byte. An ordinary server sees one connection that works and one
// that closes. A rock server reads the marks back from the SYNs that it saved
// (SYNMSS), holds the weakly marked connection back from its program for a
// moment, and answers the probe with an announcement.
//
//	client                                        rock server
//	  | SYN, MSS ≡ 19 (mod 32)                      |
//	  |-------------------------------------------->|  Held.Admit: Hold
//	  | SYN, MSS 777; FIN                           |
//	  |-------------------------------------------->|  Held.Admit: extends the hold
//	  |                 announcement, held flag set |
//	  |<--------------------------------------------|  Entry.EOF: Announce
//	  | hello or resume, on the first connection    |
//	  |-------------------------------------------->|  Entry.Bytes: Ours
//
// The client half is Probe, with Cache to remember its verdicts and Rules to
// overrule them. The server half is Gate, which decides about one accepted
// connection, and Held, which knows all that are held back now. Neither does
// any I/O: a listener of net.Conn and one of raw descriptors drive them alike.
//
// Limits. A mark is lost where a middlebox rewrites the MSS, where a route
// carries an advmss metric below the mark, and where the server answers a SYN
// flood with cookies (no SYN is saved then). A lost mark is never wrong, only
// ordinary: nothing of ours is sent unless the announcement says that the
// marked connection is being held.
package detect
