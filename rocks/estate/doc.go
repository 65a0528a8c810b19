// Package estate is memory that outlives a process: what another one, its heir, needs to go on in its place should it die,
// at whatever moment, by a kill -9 or by a fault of its own.
//
// An [Estate] is a file without a name (memfd_create(2)) that both have open. In it are, written so that it is true at
// every moment:
//
//   - [Record]s, each of some words and a part, which is replaced as a whole or not at all;
//   - pieces of memory, for the rings of rocks (package flight).
//
// The layout, in native byte order, since both are the same program on the same host:
//
//	     0  magic, version
//	 1 MiB  a million records of 16 KiB
//	32 GiB  pieces, each a power of two long, up to 256 GiB
//
// What was never used takes no memory. A record has 16 words of 8 bytes, and two slots of 8128 bytes for its part, each with a
// length of 4 bytes in front; the last word says which slot is good, the one before it what the record is.
package estate
