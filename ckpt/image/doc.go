// Package image is an image directory: CRIU's images, rocks.msgpack and
// manifest.msgpack. It is complete or absent.
//
// [Create] begins a [Draft], a hidden directory beside the place where the image is to
// be. CRIU writes into it, [Draft.Write] adds what is ours, [StripFilter] takes our seccomp
// filter out of CRIU's images, and [Draft.Commit] writes the manifest with the checksums of
// all files, makes everything durable and renames the directory into place. Whatever
// fails before that leaves nothing, and a process that died in the midst leaves a hidden
// directory that the next Create removes.
//
//	d, err := image.Create("/var/lib/web.image")
//	...
//	defer d.Abandon()
//	err = dump(d.File())
//	...
//	err = d.Write(image.RocksFile, state)
//	...
//	err = d.Commit(ctx, &image.Manifest{...}, nil)
//
// [Open] opens an image and checks what can be checked without reading it all, and
// [Image.Verify] reads it all. [Image.Claim] says that it has been restored, which is to
// happen once: the connections belong to whoever has them.
//
// The directory is locked (flock(2)), exclusively while it is a draft and shared while an
// Image is open, so that [Prune] leaves alone what is in use.
//
// An image holds the keys of rocks and the memory of programs: the directory is 0700 and its
// files are 0600, and one that others can read or write is not opened. The checksums find
// truncation and accidents, not an attacker: who can write the directory owns the job.
//
// What is in the files is in ckpt/FORMAT.md.
package image
