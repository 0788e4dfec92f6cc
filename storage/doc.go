// Package storage opens, seals, guards and watches what a node keeps on its disk.
//
// Below it lies Badger, an embedded key-value store; above it lie blob (document content), record (documents and
// patients) and audit (the evidence log), each with a Badger of its own that Open has set up. The package also
// holds the node's data folder (Folder), its master key (MasterKey), the sealing of values (Sealer), and the gates
// that close before the disk is full (Space).
//
// # Invariants
//
//   - A write that was acknowledged is on the disk and under a mark that lies outside of Badger. Open compares the
//     files with the mark before Badger sees them; where they differ it refuses with ErrDamaged and has changed nothing.
//   - A write that failed is the last one: the store takes no more (ErrFailed) until it is opened again.
//   - A value that was sealed opens only under its key, in its place, and unchanged; all else is ErrIntegrity.
//   - Absence is never used for damage: ErrNotFound and ErrIntegrity are different answers.
//   - Nothing in the data folder opens without the master key, which lies outside of it.
//
// # Limits
//
// Linux only (flock, fdatasync, mmap). One process a folder. The mark protects against a disk that loses or changes
// what it was given; it does not protect against somebody who can write the files and puts back an older copy of all
// of them. Keys in Badger are not sealed: callers use pseudonyms and digests. Tables are read whole when a store is
// opened, so that opening takes about a second for each GB of them.
//
// # Compatibility
//
// Folders carry a format version (FolderVersion). The guard reads Badger's files itself and knows the format of
// Badger v4.9.6; its tests fail where a later version writes another.
package storage
