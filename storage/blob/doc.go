// Package blob keeps the bytes of documents: chunks of 256 KiB, stored once, sealed, and verified when read.
//
// It lies between package storage, which opens and guards the Badger it uses, and whoever takes documents in or sends
// them out: storage/record holds the lists of chunks that make up documents and is the one who knows which chunks are
// referenced; node/ingest puts content in; federation/exchange sends chunks.
//
// # Invariants
//
//   - Put, and Batch.Commit, return nil only when every byte is durable and under the guard's mark.
//   - What is read has been authenticated and has the digest that was asked for.
//   - A chunk that is found stored counts only when it can be read back, so that storing content again heals it.
//   - A chunk is not swept between its being stored or found and Unpin (Release for a Batch).
//   - Missing (ErrNotFound) and damaged (ErrIntegrity) are different; a missing chunk that a list refers to is damage.
//
// # Limits
//
// One chunk list is held in memory while content is read: 40 bytes a chunk, 160 KB for 1 GiB. A Batch holds up to
// about 32 MiB of chunks that are under way, a single Put of small content only its own bytes. A digest in a key
// tells somebody who has the folder and a copy of a document that the document is here.
//
// # Compatibility
//
// A chunk's key is the byte 'c' and its SHA-256; its value is sealed with the associated data "ridgeway/chunk",
// a zero byte and the SHA-256.
package blob
